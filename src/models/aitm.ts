import { z } from 'zod';
import { quoted } from '../errors.js';
import type { Term } from '../graph/graph.js';
import { mlp, mlpOptions, tower } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { givenOf, tasksGiven } from '../tasks.js';
import { defineModel } from './model.js';
import { checkTaskTowers, taskTowerOptions, towerOf } from './task-towers.js';

/**
 * Adaptive Information Transfer Multi-task (Xi et al. 2021, https://arxiv.org/abs/2105.08489): tasks stand in the order of the
 * funnel, and each takes from the one before it by attention over the two. Every task is learned over all rows, so its tower
 * says how probable it is together with all before it; what it is given a click is that over the click's probability.
 *
 * The calibrator charges a later step for being more probable than the one before. The paper sums it over rows beside a mean of
 * log losses, and so does the authors' code (https://github.com/xidongbo/AITM) over those of a batch, so that it weighs more in
 * larger batches; here it is a mean. torch-rechub leaves it out.
 */
export const aitm = defineModel({
  name: 'aitm',
  summary: 'Adaptive Information Transfer: each task takes from the one before it in the funnel',
  options: {
    bottom: mlpOptions.extend({ hidden: mlpOptions.shape.hidden.min(1).default([64]) }).prefault({}).describe('layers of each task below its tower'),
    gate: z.strictObject({ batchNorm: mlpOptions.shape.batchNorm }).prefault({}).describe('the layer that a task passes on through'),
    ...taskTowerOptions,
    calibrator: z.number().min(0).default(0.6).describe('weight of what a task is more probable than the one before it'),
  },

  *checkTasks(tasks, options) {
    yield* checkTaskTowers(tasks, options);
    if (tasks.length < 2) yield { path: ['tasks'], message: 'aitm needs two tasks or more, in the order of the funnel' };
    for (const [t, task] of tasks.entries()) {
      const { name, type } = task;
      if (type !== 'classification') yield { path: ['tasks', name, 'type'], message: `aitm compares probabilities, and ${quoted(name)} is a ${type}; leave it to another model, as mmoe` };
      const before = tasks[t - 1];
      const given = givenOf(task)?.named;
      if (given !== undefined && (before === undefined || !tasksGiven(task, tasks).includes(before))) {
        yield { path: ['tasks', name, 'given'], message: `expected ${before === undefined ? 'nothing, since it comes first' : typeof before.label === 'string' ? `${quoted(before.label)}, the label of the task before it` : `${quoted(before.name)}, the task before it`}, found ${quoted(given)}; aitm takes tasks in their order` };
      }
    }
  },

  build(options, { g, input, tasks }) {
    const { bottom, gate } = options;
    const width = bottom.hidden.at(-1)!;
    const logits: Value[] = [];
    let passed: Value | undefined;
    for (const task of tasks) {
      const own = mlp(g, input, bottom, `bottoms.${task.name}`);
      const state: Value = passed === undefined ? own : g.attend([own, mlp(g, passed, { hidden: [width], activation: 'relu', dropout: 0, batchNorm: gate.batchNorm }, `gates.${task.name}`)], `attention.${task.name}`);
      logits.push(tower(g, state, towerOf(options, task.name), `towers.${task.name}`));
      passed = state;
    }
    const probabilities = logits.map((logit, t) => g.activation(logit, 'sigmoid', `${tasks[t]!.name}.probability`));
    const terms = tasks.map(({ name, given, weight, labelValue, countedInChain }, t): Term => ({ name: given === undefined ? name : `ct${name}`, weight, loss: g.binaryCrossEntropy(logits[t]!, labelValue, countedInChain) }));
    const excess = probabilities.slice(1).map((later, t): Value => g.clip(g.add(later, g.affine(probabilities[t]!, -1, 0)), 0, 1));
    if (options.calibrator > 0) terms.push({ name: 'calibrator', weight: options.calibrator, loss: g.mean(excess.reduce((a, b) => g.add(a, b))) });
    const conditional = (t: number): Value => g.clip(g.multiply(probabilities[t]!, g.reciprocal(probabilities[t - 1]!)), 0, 1);
    return { predictions: new Map(tasks.map(({ name, given }, t) => [name, given === undefined ? probabilities[t]! : conditional(t)])), terms };
  },
});
