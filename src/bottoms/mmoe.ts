import { z } from 'zod';
import { selectGroups } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, buildGate } from './bottom.js';
import { checkExperts, expertOptions, gateOptions } from './expert-options.js';

/**
 * Multi-gate Mixture-of-Experts (Ma et al. 2018, https://dl.acm.org/doi/10.1145/3219819.3220007): experts shared by all
 * tasks, and one gate per task.
 */
export const mmoe = defineBottom({
  name: 'mmoe',
  summary: 'Multi-gate Mixture-of-Experts: shared experts and a gate per task',
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
    const experts = { names, values: names.map((name) => mlp(g, input, expert, name)) };
    const gateInput = selectGroups(g, features, options.gate.input).input;
    const outputs = new Map<string, Value>();
    const gates = new Map<string, Gate>();
    for (const task of tasks) {
      const { gate, mixture } = buildGate(g, gateInput, experts, options.gate, `gates.${task}`);
      outputs.set(task, mixture);
      gates.set(task, gate);
    }
    return { outputs, gates };
  },
});
