import { mmoe as bottom } from '../bottoms/mmoe.js';
import { modelFromBottom } from './with-towers.js';

/** Multi-gate Mixture-of-Experts (Ma et al. 2018): what its shared layers make, with a tower for every task. */
export const mmoe = modelFromBottom(bottom);
