import { mlp as blocks, mlpOptions } from '../graph/mlp.js';
import { defineBottom, forAllTasks } from './bottom.js';

/** Layers shared by all tasks (Caruana 1997, https://doi.org/10.1023/A:1007379606734). */
export const mlp = defineBottom({
  name: 'mlp',
  summary: 'layers shared by all tasks',
  options: () => ({ ...mlpOptions.shape, hidden: mlpOptions.shape.hidden.default([64]) }),

  *check({ hidden }) {
    if (hidden.length === 0) yield { path: ['hidden'], message: 'expected at least one layer' };
  },

  build: (options, { g, input, tasks }) => ({ outputs: forAllTasks(tasks, blocks(g, input, options, 'bottom')) }),
});
