import { z } from 'zod';
import { didYouMean, joined } from '../errors.js';
import { mlp, mlpOptions, tower, type MlpOptions } from '../graph/mlp.js';
import { defineModel, head } from './model.js';

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
    tower: mlpOptions.extend({ hidden: mlpOptions.shape.hidden.default([8]) }).prefault({}).describe('the tower of every task that `towers` does not name'),
    towers: z.record(z.string(), mlpOptions).default({}).describe('by task: a tower of its own'),
  },

  *check({ experts }) {
    if (experts.hidden.length === 0) yield { path: ['experts', 'hidden'], message: 'expected at least one layer' };
  },

  *checkTasks(tasks, { towers }) {
    const known = tasks.map((task) => task.name);
    for (const name of Object.keys(towers)) {
      if (!known.includes(name)) yield { path: ['model', 'towers', name], message: joined(`no task is called '${name}'`, didYouMean(name, known)) };
    }
  },

  build(options, { g, input, tasks }) {
    const { count, ...expert } = options.experts;
    const experts = Array.from({ length: count }, (_, e) => mlp(g, input, expert, `experts.${e}`));

    const heads = tasks.map((task) => {
      const gate = g.linear(input, count, `gates.${task.name}`);
      const gateLogits = options.gate.batchNorm ? g.batchNorm(gate, `gates.${task.name}.norm`) : gate;
      const mixed = g.mixture(g.softmax(gateLogits), experts);
      return head(g, task, tower(g, mixed, ownTower(options.towers, task.name) ?? options.tower, `towers.${task.name}`));
    });
    return {
      predictions: new Map(tasks.map((task, t) => [task.name, heads[t]!.prediction])),
      terms: heads.map(({ term }) => term),
    };
  },
});

/** A task's own tower; tasks may be called anything, so nothing inherited counts. */
function ownTower(towers: Readonly<Record<string, MlpOptions>>, task: string): MlpOptions | undefined {
  return Object.hasOwn(towers, task) ? towers[task] : undefined;
}
