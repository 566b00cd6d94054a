export { categorical } from './categorical.js';
export { numeric } from './numeric.js';
