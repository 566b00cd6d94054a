export { lowRank } from './low-rank.js';
export { mixedDimension } from './mixed-dimension.js';
export { quotientRemainder } from './quotient-remainder.js';
