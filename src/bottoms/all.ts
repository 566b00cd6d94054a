export { cgc } from './cgc.js';
export { mlp } from './mlp.js';
export { mmoe } from './mmoe.js';
export { none } from './none.js';
export { omoe } from './omoe.js';
export { ple } from './ple.js';
