import { cgc as bottom } from '../bottoms/cgc.js';
import { modelFromBottom } from './with-towers.js';

/** Customized Gate Control (Tang et al. 2020), with a tower per task. */
export const cgc = modelFromBottom(bottom);
