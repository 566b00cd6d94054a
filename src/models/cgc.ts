import { cgc as bottom } from '../bottoms/cgc.js';
import { towersOn } from './towers-on.js';

/** Customized Gate Control (Tang et al. 2020), with a tower for every task. */
export const cgc = towersOn(bottom);
