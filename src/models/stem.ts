import { stem as bottom } from '../bottoms/stem.js';
import { modelFromBottom } from './with-towers.js';

/** Shared and Task-specific Embeddings (Su et al. 2024), with a tower per task. */
export const stem = modelFromBottom(bottom);
