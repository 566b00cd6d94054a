import { pepnet as bottom } from '../bottoms/pepnet.js';
import { towersOn } from './towers-on.js';

/** Parameter and Embedding Personalized Network (Chang et al. 2023), with a tower for every task. */
export const pepnet = towersOn(bottom);
