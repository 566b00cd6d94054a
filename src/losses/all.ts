export { crossEntropy } from './cross-entropy.js';
export { focal } from './focal.js';
export { hinge } from './hinge.js';
export { squared } from './squared.js';
export { absolute } from './absolute.js';
export { huber } from './huber.js';
export { poisson } from './poisson.js';
export { ziln } from './ziln.js';
