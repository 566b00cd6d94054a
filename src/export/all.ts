export { embeddings } from './embeddings.js';
export { onnx } from './onnx.js';
