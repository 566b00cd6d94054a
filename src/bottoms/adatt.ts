import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { selectGroups } from '../graph/features.js';
import type { Gate } from '../graph/graph.js';
import { mlp } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, buildGate, concatExperts, type Experts } from './bottom.js';
import { checkExperts, expertOptions, gateOptions } from './expert-options.js';

/**
 * Adaptive Task-to-Task Fusion (Li et al. 2023, https://arxiv.org/abs/2304.04959): levels with one unit per task, plus
 * a shared one if there are shared experts. A unit's experts read its output of the level below. Its gate weighs the
 * experts of all units, and a trained sum of its own (native) experts is added as a residual. Without shared experts
 * this is AdaTT-sp. The last level has no shared unit.
 *
 * As in the authors' code (https://github.com/facebookresearch/AdaTT), a gate is one layer and a softmax. Factors of n
 * native experts are initialized within ±1/√n; a single expert has factor 1. Their code fixes factors to 1 if every
 * unit has one expert; this does if the unit has one. Under Adam, factors move √n times slower than in their code.
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
    gate: gateOptions,
    residualExperts: z
      .boolean()
      .default(true)
      .describe("Whether a task's own experts are added to the gated sum as a residual"),
  }),
  check: checkExperts,

  build({ levels, experts: { perTask, shared, ...expert }, gate, residualExperts }, { g, tasks, ...features }) {
    const gateInput = gate.input && selectGroups(g, features, gate.input).input;
    const taskUnits = tasks.map((task) => ({ task, unit: `tasks.${task}`, count: perTask }));
    const units = shared === 0 ? taskUnits : [...taskUnits, { task: undefined, unit: 'shared', count: shared }];
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
      const all = concatExperts([...experts.values()]);
      const fused = new Map<string, Value>();
      for (const { task, unit } of level === levels - 1 ? taskUnits : units) {
        const output = buildGate(g, gateInput ?? inputs.get(unit)!, all, gate, `${prefix}.gates.${task ?? 'shared'}`);
        gates.set(levels === 1 ? (task ?? 'shared') : `${task ?? 'shared'}, level ${level + 1}`, output.gate);
        fused.set(
          unit,
          residualExperts
            ? g.add(output.mixture, nativeSum(g, experts.get(unit)!, output.gate.shares, `${prefix}.native.${unit}`))
            : output.mixture,
        );
      }
      inputs = fused;
    }
    return { outputs: new Map(taskUnits.map(({ task, unit }) => [task, inputs.get(unit)!])), gates };
  },
});

/** Combines experts with trained factors that are equal for all rows; returns a single expert unchanged. */
function nativeSum(g: GraphBuilder, { values }: Experts, some: Value, name: string): Value {
  if (values.length === 1) return values[0]!;
  const one = g.affine(g.slice(some, 0, 1), 0, 1);
  const factors = g.affine(g.linear(one, values.length, name, { bias: false }), 1 / Math.sqrt(values.length), 0);
  return g.mixture(factors, values);
}
