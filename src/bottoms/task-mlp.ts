import { mlp, mlpOptions } from '../graph/mlp.js';
import { defineBottom } from './bottom.js';

/**
 * Separate layers per task on shared embeddings, as below AITM's towers (Xi et al. 2021,
 * https://arxiv.org/abs/2105.08489).
 */
export const taskMlp = defineBottom({
  name: 'task-mlp',
  summary: 'separate layers per task; only embeddings are shared',
  options: () => ({ ...mlpOptions.shape, hidden: mlpOptions.shape.hidden.min(1).default([64]) }),
  build: (options, { g, input, tasks }) => ({
    outputs: new Map(tasks.map((task) => [task, mlp(g, input, options, `bottoms.${task}`)])),
  }),
});
