export { window } from './window.js';
