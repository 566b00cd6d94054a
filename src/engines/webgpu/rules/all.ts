export { adagrad } from './adagrad.js';
export { adam } from './adam.js';
export { ftrl } from './ftrl.js';
export { lamb } from './lamb.js';
export { rmsprop } from './rmsprop.js';
export { rowWiseAdagrad } from './row-wise-adagrad.js';
export { sgd } from './sgd.js';
