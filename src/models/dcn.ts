import { dcn as bottom } from '../bottoms/dcn.js';
import { towersOn } from './towers-on.js';

/** Deep & Cross Network v2 (Wang et al. 2021), with a tower for every task. */
export const dcn = towersOn(bottom);
