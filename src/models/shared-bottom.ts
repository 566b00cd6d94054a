import { mlp } from '../bottoms/mlp.js';
import { towersOn } from './towers-on.js';

/** The oldest of multi-task models (Caruana 1997): layers that all tasks share, with a tower for every task. */
export const sharedBottom = towersOn({ ...mlp, name: 'shared-bottom' });
