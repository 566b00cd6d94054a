import { pepnet as bottom } from '../bottoms/pepnet.js';
import { modelFromBottom } from './with-towers.js';

/** Parameter and Embedding Personalized Network (Chang et al. 2023), with a tower per task. */
export const pepnet = modelFromBottom(bottom);
