export { platt } from './platt.js';
export { temperature } from './temperature.js';
export { isotonic } from './isotonic.js';
