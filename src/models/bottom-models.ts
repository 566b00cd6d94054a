import * as bottoms from '../bottoms/all.js';
import { modelFromBottom } from './with-towers.js';

// Bottoms that are models with a tower per task. A bottom names its paper.
export const adatt = modelFromBottom(bottoms.adatt);
export const cgc = modelFromBottom(bottoms.cgc);
export const dcn = modelFromBottom(bottoms.dcn);
/** With deep layers: multi-task DeepFM or NFM. */
export const fm = modelFromBottom(bottoms.fm);
export const home = modelFromBottom(bottoms.home);
export const mmoe = modelFromBottom(bottoms.mmoe);
export const omoe = modelFromBottom(bottoms.omoe);
export const pepnet = modelFromBottom(bottoms.pepnet);
export const ple = modelFromBottom(bottoms.ple);
/** Shared bottom (Caruana 1997): layers that all tasks share. */
export const sharedBottom = modelFromBottom({ ...bottoms.mlp, name: 'shared-bottom' });
export const stem = modelFromBottom(bottoms.stem);
