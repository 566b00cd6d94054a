export { bag } from './bag.js';
export { bucketized } from './bucketized.js';
export { categorical } from './categorical.js';
export { cross } from './cross.js';
export { date } from './date.js';
export { numeric } from './numeric.js';
export { piecewiseLinear } from './piecewise-linear.js';
export { vector } from './vector.js';
