import { fm as bottom } from '../bottoms/fm.js';
import { modelFromBottom } from './with-towers.js';

/**
 * Factorisation Machine (Rendle 2010) beside deep layers, with a tower for every task: DeepFM or NFM for several tasks.
 */
export const fm = modelFromBottom(bottom);
