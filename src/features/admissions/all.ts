export { exact } from './exact.js';
export { probability } from './probability.js';
export { sketch } from './sketch.js';
