export { tensorboard } from './tensorboard.js';
