import { omoe as bottom } from '../bottoms/omoe.js';
import { modelFromBottom } from './with-towers.js';

/** One-gate Mixture-of-Experts (Ma et al. 2018, section 4.1), with a tower per task. */
export const omoe = modelFromBottom(bottom);
