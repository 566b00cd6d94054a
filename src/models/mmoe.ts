import { mmoe as bottom } from '../bottoms/mmoe.js';
import { modelFromBottom } from './with-towers.js';

/** Multi-gate Mixture-of-Experts (Ma et al. 2018), with a tower per task. */
export const mmoe = modelFromBottom(bottom);
