import { ple as bottom } from '../bottoms/ple.js';
import { modelFromBottom } from './with-towers.js';

/** Progressive Layered Extraction (Tang et al. 2020), with a tower per task. */
export const ple = modelFromBottom(bottom);
