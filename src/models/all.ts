export { esmm } from './esmm.js';
export { mmoe } from './mmoe.js';
