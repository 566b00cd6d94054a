import { mlp } from '../bottoms/mlp.js';
import { modelFromBottom } from './with-towers.js';

/** Shared bottom (Caruana 1997): layers that all tasks share, with a tower per task. */
export const sharedBottom = modelFromBottom({ ...mlp, name: 'shared-bottom' });
