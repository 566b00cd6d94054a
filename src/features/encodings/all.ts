export { auto } from './auto.js';
export { hash } from './hash.js';
export { ids } from './ids.js';
export { tokens } from './tokens.js';
