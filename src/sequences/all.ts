export { pooling } from './pooling.js';
