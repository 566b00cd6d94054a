export { npy } from './npy.js';
export { safetensors } from './safetensors.js';
export { parquet } from './parquet.js';
