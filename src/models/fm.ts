import { fm as bottom } from '../bottoms/fm.js';
import { modelFromBottom } from './with-towers.js';

/** Factorization Machine (Rendle 2010) with deep layers and a tower per task: multi-task DeepFM or NFM. */
export const fm = modelFromBottom(bottom);
