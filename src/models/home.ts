import { home as bottom } from '../bottoms/home.js';
import { modelFromBottom } from './with-towers.js';

/** Hierarchy of Multi-gate Experts (Wang et al. 2024), with a tower per task. */
export const home = modelFromBottom(bottom);
