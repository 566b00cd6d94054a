export { pooling } from './pooling.js';
export { search } from './search.js';
export { selfAttention } from './self-attention.js';
export { targetAttention } from './target-attention.js';
