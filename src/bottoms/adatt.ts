import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { ofGroups } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, gated, joinedExperts, type Experts } from './bottom.js';
import { checkExperts, expertOptions, gateOptions } from './expert-options.js';

/**
 * Adaptive Task-to-Task Fusion (Li et al. 2023, https://arxiv.org/abs/2304.04959): levels of units, one a task, and one
 * that is shared where
 * there are shared experts. A unit's experts read what the unit said a level below; its gate weighs the experts of all
 * units,
 * and a learned sum of its own (native) experts is added whole. Without shared experts this is AdaTT-sp; what is shared
 * stops below
 * the last level, whose units are tasks.
 *
 * As in the authors' code (https://github.com/facebookresearch/AdaTT), a gate is one layer and a softmax, the factors
 * of native
 * experts begin within ±1/√n of n, and one alone that counts as it is. It takes them as 1 where every unit has one
 * expert;
 * here where this unit has. Under Adam they move √n times slower than there.
 */
export const adatt = defineBottom({
  name: 'adatt',
  summary: "Adaptive Task-to-Task Fusion: gates over the experts of all tasks, plus a residual of the task's own",
  options: () => ({
    levels: z.int().min(1).max(64).default(2).describe('Number of stacked fusion levels'),
    experts: expertOptions
      .extend({
        perTask: z.int().min(1).max(1024).default(2).describe('Number of experts per task'),
        shared: z.int().min(0).max(1024).default(0).describe('Number of shared experts; 0 gives AdaTT-sp'),
      })
      .prefault({})
      .describe('Experts of each level'),
    gate: gateOptions(false),
    residualExperts: z
      .boolean()
      .default(true)
      .describe("Whether a task's own experts are added to the gated sum as a residual"),
  }),
  check: checkExperts,

  build({ levels, experts: { perTask, shared, ...expert }, gate, residualExperts }, { g, tasks, ...features }) {
    const seen = gate.input && ofGroups(g, features, gate.input).input;
    const own = tasks.map((task) => ({ task, unit: `tasks.${task}`, count: perTask }));
    const units = shared === 0 ? own : [...own, { task: undefined, unit: 'shared', count: shared }];
    const gates = new Map<string, Gate>();
    let inputs = new Map<string, Value>(units.map(({ unit }) => [unit, features.input]));
    for (let level = 0; level < levels; level++) {
      const prefix = `levels.${level}`;
      const experts = new Map(
        units.map(({ unit, count }): [string, Experts] => {
          const names = Array.from({ length: count }, (_, e) => `${prefix}.${unit}.${e}`);
          return [unit, { names, values: names.map((name) => mlp(g, inputs.get(unit)!, expert, name)) }];
        }),
      );
      const all = joinedExperts([...experts.values()]);
      const fused = new Map<string, Value>();
      for (const { task, unit } of level === levels - 1 ? own : units) {
        const found = gated(g, seen ?? inputs.get(unit)!, all, gate, `${prefix}.gates.${task ?? 'shared'}`);
        gates.set(levels === 1 ? (task ?? 'shared') : `${task ?? 'shared'}, level ${level + 1}`, found.gate);
        fused.set(
          unit,
          residualExperts
            ? g.add(found.mixture, nativeSum(g, experts.get(unit)!, found.gate.shares, `${prefix}.native.${unit}`))
            : found.mixture,
        );
      }
      inputs = fused;
    }
    return { outputs: new Map(own.map(({ task, unit }) => [task, inputs.get(unit)!])), gates };
  },
});

/** Experts by learned factors, the same for all rows; one alone is itself. */
function nativeSum(g: GraphBuilder, { values }: Experts, some: Value, name: string): Value {
  if (values.length === 1) return values[0]!;
  const one = g.affine(g.slice(some, 0, 1), 0, 1);
  const factors = g.affine(g.linear(one, values.length, name, { bias: false }), 1 / Math.sqrt(values.length), 0);
  return g.mixture(factors, values);
}
