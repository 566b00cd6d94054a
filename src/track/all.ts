export { mlflow } from './mlflow.js';
export { tensorboard } from './tensorboard.js';
