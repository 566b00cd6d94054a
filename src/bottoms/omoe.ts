import { z } from 'zod';
import { selectGroups } from '../graph/features.js';
import { mlp } from '../graph/mlp.js';
import { defineBottom, forAllTasks, buildGate } from './bottom.js';
import { checkExperts, expertOptions, gateOptions } from './expert-options.js';

/**
 * One-gate Mixture-of-Experts, the baseline of MMOE (Ma et al. 2018, section 4.1,
 * https://dl.acm.org/doi/10.1145/3219819.3220007; after Jacobs et al. 1991): one gate for all tasks.
 */
export const omoe = defineBottom({
  name: 'omoe',
  summary: 'One-gate Mixture-of-Experts: shared experts and one gate for all tasks',
  options: () => ({
    experts: expertOptions
      .extend({ count: z.int().min(1).max(1024).default(8).describe('Number of experts') })
      .prefault({})
      .describe('Shared experts'),
    gate: gateOptions,
  }),
  check: checkExperts,

  build(options, { g, tasks, ...features }) {
    const { input } = features;
    const { count, ...expert } = options.experts;
    const names = Array.from({ length: count }, (_, e) => `experts.${e}`);
    const gateInput = selectGroups(g, features, options.gate.input).input;
    const { gate, mixture } = buildGate(
      g,
      gateInput,
      { names, values: names.map((name) => mlp(g, input, expert, name)) },
      options.gate,
      'gate',
    );
    return { outputs: forAllTasks(tasks, mixture), gates: new Map([['all tasks', gate]]) };
  },
});
