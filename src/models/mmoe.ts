import { z } from 'zod';
import type { Gate } from '../graph/graph.js';
import { mlp, mlpOptions } from '../graph/mlp.js';
import { defineModel } from './model.js';
import { checkTaskTowers, taskTowerOptions, taskTowers } from './task-towers.js';

/**
 * Multi-gate Mixture-of-Experts (Ma et al. 2018, https://dl.acm.org/doi/10.1145/3219819.3220007): experts shared by all
 * tasks, and for every task a gate that weighs them and a tower on what it lets through.
 */
export const mmoe = defineModel({
  name: 'mmoe',
  summary: 'Multi-gate Mixture-of-Experts: shared experts, a gate and a tower for every task',
  options: {
    experts: mlpOptions
      .extend({ count: z.int().min(1).max(1024).default(8), hidden: mlpOptions.shape.hidden.default([16]) })
      .prefault({})
      .describe('the shared experts'),
    gate: z.strictObject({ batchNorm: z.boolean().default(true) }).prefault({}).describe('linear, batch norm, softmax over experts'),
    ...taskTowerOptions,
  },

  *check({ experts }) {
    if (experts.hidden.length === 0) yield { path: ['experts', 'hidden'], message: 'expected at least one layer' };
  },

  checkTasks: checkTaskTowers,

  build(options, context) {
    const { g, input } = context;
    const { count, ...expert } = options.experts;
    const names = Array.from({ length: count }, (_, e) => `experts.${e}`);
    const experts = names.map((name) => mlp(g, input, expert, name));

    const gates = new Map<string, Gate>();
    const output = taskTowers(context, options, ({ name }) => {
      const gate = g.linear(input, count, `gates.${name}`);
      const shares = g.softmax(options.gate.batchNorm ? g.batchNorm(gate, `gates.${name}.norm`) : gate);
      gates.set(name, { shares, experts: names });
      return g.mixture(shares, experts);
    });
    return { ...output, gates };
  },
});
