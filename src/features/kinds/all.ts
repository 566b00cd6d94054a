export { bag } from './bag.js';
export { id } from './id.js';
export { item, itemNumber } from './item.js';
export { number } from './number.js';
export { vector } from './vector.js';
