import { dcn as bottom } from '../bottoms/dcn.js';
import { modelFromBottom } from './with-towers.js';

/** Deep & Cross Network v2 (Wang et al. 2021), with a tower per task. */
export const dcn = modelFromBottom(bottom);
