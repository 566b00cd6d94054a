export { embeddings } from './embeddings.js';
export { onnx } from './onnx.js';
export { safetensors } from './safetensors.js';
