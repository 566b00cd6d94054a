export { auc } from './auc.js';
export { logLoss } from './log-loss.js';
export { pcoc } from './pcoc.js';
export { rmse } from './rmse.js';
export { r2 } from './r2.js';
