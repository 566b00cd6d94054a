import { adatt as bottom } from '../bottoms/adatt.js';
import { modelFromBottom } from './with-towers.js';

/** Adaptive Task-to-Task Fusion (Li et al. 2023), with a tower per task. */
export const adatt = modelFromBottom(bottom);
