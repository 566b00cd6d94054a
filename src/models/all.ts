export { aitm } from './aitm.js';
export { cgc } from './cgc.js';
export { esmm } from './esmm.js';
export { mmoe } from './mmoe.js';
export { omoe } from './omoe.js';
export { ple } from './ple.js';
export { sharedBottom } from './shared-bottom.js';
