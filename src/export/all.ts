export { onnx } from './onnx.js';
