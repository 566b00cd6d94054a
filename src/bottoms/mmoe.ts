import type { Gate } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, buildGate } from './bottom.js';
import { checkExperts } from './expert-options.js';
import { buildExperts, mixtureOptions } from './mixture.js';

/**
 * Multi-gate Mixture-of-Experts (Ma et al. 2018, https://dl.acm.org/doi/10.1145/3219819.3220007): experts shared by all
 * tasks, and one gate per task.
 */
export const mmoe = defineBottom({
  name: 'mmoe',
  summary: 'Multi-gate Mixture-of-Experts: shared experts and a gate per task',
  options: () => mixtureOptions,
  check: checkExperts,

  build(options, { g, tasks, ...features }) {
    const { experts, gateInput } = buildExperts(g, features, options);
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
