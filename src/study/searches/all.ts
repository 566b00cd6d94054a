export { tpe } from './tpe.js';
export { random } from './random.js';
export { grid } from './grid.js';
