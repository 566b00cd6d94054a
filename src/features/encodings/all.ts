export { ids } from './ids.js';
export { tokens } from './tokens.js';
