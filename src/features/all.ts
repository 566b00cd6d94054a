export { bag } from './bag.js';
export { bucketized } from './bucketized.js';
export { categorical } from './categorical.js';
export { cross } from './cross.js';
export { date } from './date.js';
export { numeric } from './numeric.js';
export { vector } from './vector.js';
