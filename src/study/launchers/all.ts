export { local } from './local.js';
