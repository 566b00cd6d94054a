export { constant } from './constant.js';
export { step } from './step.js';
export { exponential } from './exponential.js';
export { polynomial } from './polynomial.js';
export { cosine } from './cosine.js';
export { oneCycle } from './one-cycle.js';
export { plateau } from './plateau.js';
