import { defineBottom, forAllTasks, buildGate } from './bottom.js';
import { checkExperts } from './expert-options.js';
import { buildExperts, mixtureOptions } from './mixture.js';

/**
 * One-gate Mixture-of-Experts, the baseline of MMOE (Ma et al. 2018, section 4.1,
 * https://dl.acm.org/doi/10.1145/3219819.3220007; after Jacobs et al. 1991): one gate for all tasks.
 */
export const omoe = defineBottom({
  name: 'omoe',
  summary: 'One-gate Mixture-of-Experts: shared experts and one gate for all tasks',
  options: () => mixtureOptions,
  check: checkExperts,

  build(options, { g, tasks, ...features }) {
    const { experts, gateInput } = buildExperts(g, features, options);
    const { gate, mixture } = buildGate(g, gateInput, experts, options.gate, 'gate');
    return { outputs: forAllTasks(tasks, mixture), gates: new Map([['all tasks', gate]]) };
  },
});
