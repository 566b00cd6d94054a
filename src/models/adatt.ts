import { adatt as bottom } from '../bottoms/adatt.js';
import { towersOn } from './towers-on.js';

/** Adaptive Task-to-Task Fusion (Li et al. 2023), with a tower for every task. */
export const adatt = towersOn(bottom);
