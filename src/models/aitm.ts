import { z } from 'zod';
import { bottomEmbeddingParts, bottomSchemaWith, buildBottom, checkBottom } from '../bottoms/bottoms.js';
import { taskMlp } from '../bottoms/task-mlp.js';
import type { LossOptions } from '../graph/loss-options.js';
import type { Term } from '../graph/graph.js';
import { mlp, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { checkSequentialFunnel, buildSequentialFunnel } from './sequential-funnel.js';
import { defineModel } from './model.js';
import { checkTaskTowers, taskTower, taskTowerOptions, getTower } from './task-towers.js';

/**
 * Adaptive Information Transfer Multi-task (Xi et al. 2021, https://arxiv.org/abs/2105.08489): tasks in funnel order,
 * each combined with its predecessor by attention. Every task trains on all rows, so its tower predicts the joint
 * probability with all tasks before it. The conditional probability is the quotient with the predecessor's.
 *
 * The calibrator penalizes a task that is more probable than its predecessor. The paper and the authors' code
 * (https://github.com/xidongbo/AITM) sum it over rows although log losses are means, so that it weighs more in larger
 * batches; here it is a mean. torch-rechub omits it.
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
    const {
      outputs,
      gates = new Map(),
      streams,
    } = buildBottom(options.bottom, {
      g,
      input,
      fields,
      tasks: tasks.map(({ name }) => name),
    });
    const logits: Value[] = [];
    const distilled: Term[] = [];
    let previousState: Value | undefined;
    for (const task of tasks) {
      const bottomOutput = outputs.get(task.name)!;
      const state: Value =
        previousState === undefined
          ? bottomOutput
          : g.attend(
              [
                bottomOutput,
                mlp(
                  g,
                  previousState,
                  { hidden: [bottomOutput.width], activation: 'relu', dropout: 0, batchNorm: gate.batchNorm },
                  `gates.${task.name}`,
                ),
              ],
              `attention.${task.name}`,
            );
      const tower = getTower(options, task.name);
      const counted = (): LossOptions => task.countedInChain;
      const output = taskTower(g, task, { x: state, streams }, tower, task.firstBiasInChain, counted);
      logits.push(output.out);
      distilled.push(...output.distilled);
      previousState = state;
    }
    const { probabilities, ...funnel } = buildSequentialFunnel({ g, tasks }, logits);
    const output = { ...funnel, gates, terms: [...funnel.terms, ...distilled] };
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
