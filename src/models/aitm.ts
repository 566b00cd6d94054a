import { z } from 'zod';
import { bottomEmbeddingParts, bottomSchemaWith, buildBottom, checkBottom } from '../bottoms/bottoms.js';
import { taskMlp } from '../bottoms/task-mlp.js';
import type { Term } from '../graph/graph.js';
import { mlp, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { checkSequentialFunnel, buildSequentialFunnel } from './sequential-funnel.js';
import { defineModel } from './model.js';
import { checkTaskTowers, taskTower, taskTowerOptions, getTower } from './task-towers.js';

/**
 * Adaptive Information Transfer Multi-task (Xi et al. 2021, https://arxiv.org/abs/2105.08489): tasks stand in the order
 * of the
 * funnel, and each takes from the one before it by attention over the two. Every task is learned over all rows, so its
 * tower
 * says how probable it is together with all before it; what it is given a click is that over the click's probability.
 *
 * The calibrator charges a later step for being more probable than the one before. The paper sums it over rows beside a
 * mean of
 * log losses, and so does the authors' code (https://github.com/xidongbo/AITM) over those of a batch, so that it weighs
 * more in
 * larger batches; here it is a mean. torch-rechub leaves it out.
 */
export const aitm = defineModel({
  name: 'aitm',
  summary:
    'Adaptive Information Transfer Multi-task: each task receives information from its predecessor in the funnel',
  options: () => ({
    bottom: bottomSchemaWith(taskMlp.name)
      .prefault({})
      .describe('Layers below the towers; default: layers of each task'),
    gate: z
      .strictObject({ batchNorm: mlpOptions.shape.batchNorm })
      .prefault({})
      .describe('Transfer layer between consecutive tasks'),
    ...taskTowerOptions,
    calibrator: z
      .number()
      .min(0)
      .default(0.6)
      .describe('Weight of the penalty if a task is more probable than its predecessor'),
  }),

  *checkTasks(tasks, options) {
    yield* checkTaskTowers(tasks, options);
    yield* checkBottom(options.bottom, tasks);
    yield* checkSequentialFunnel('aitm', tasks);
  },

  embeddingParts: ({ bottom }, tasks) => bottomEmbeddingParts(bottom, tasks),

  build(options, { g, tasks, input, fields }) {
    const { gate } = options;
    const { outputs, gates = new Map() } = buildBottom(options.bottom, {
      g,
      input,
      fields,
      tasks: tasks.map(({ name }) => name),
    });
    const logits: Value[] = [];
    let passed: Value | undefined;
    for (const task of tasks) {
      const own = outputs.get(task.name)!;
      const state: Value =
        passed === undefined
          ? own
          : g.attend(
              [
                own,
                mlp(
                  g,
                  passed,
                  { hidden: [own.width], activation: 'relu', dropout: 0, batchNorm: gate.batchNorm },
                  `gates.${task.name}`,
                ),
              ],
              `attention.${task.name}`,
            );
      logits.push(taskTower(g, task, state, getTower(options, task.name), task.firstBiasInChain));
      passed = state;
    }
    const { probabilities, ...rest } = buildSequentialFunnel({ g, tasks }, logits);
    const output = { ...rest, gates };
    const excess = probabilities
      .slice(1)
      .map((later, t): Value => g.clip(g.add(later, g.affine(probabilities[t]!, -1, 0)), 0, 1));
    const calibrator = (): Term => ({
      name: 'calibrator',
      weight: options.calibrator,
      loss: g.mean(excess.reduce((a, b) => g.add(a, b))),
    });
    return options.calibrator > 0 ? { ...output, terms: [...output.terms, calibrator()] } : output;
  },
});
