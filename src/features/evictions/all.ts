export { lfu } from './lfu.js';
export { lru } from './lru.js';
