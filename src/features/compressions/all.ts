export { lowRank } from './low-rank.js';
export { quotientRemainder } from './quotient-remainder.js';
