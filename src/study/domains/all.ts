export { choices } from './choices.js';
export { uniform } from './uniform.js';
export { logUniform } from './log-uniform.js';
export { int } from './int.js';
