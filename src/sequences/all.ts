export { augru } from './augru.js';
export { gru } from './gru.js';
export { hstu } from './hstu.js';
export { pooling } from './pooling.js';
export { search } from './search.js';
export { selfAttention } from './self-attention.js';
export { targetAttention } from './target-attention.js';
