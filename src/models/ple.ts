import { ple as bottom } from '../bottoms/ple.js';
import { towersOn } from './towers-on.js';

/** Progressive Layered Extraction (Tang et al. 2020), with a tower for every task. */
export const ple = towersOn(bottom);
