export { adam } from './adam.js';
