import { mlp } from '../bottoms/mlp.js';
import { modelFromBottom } from './with-towers.js';

/** The oldest of multi-task models (Caruana 1997): layers that all tasks share, with a tower for every task. */
export const sharedBottom = modelFromBottom({ ...mlp, name: 'shared-bottom' });
