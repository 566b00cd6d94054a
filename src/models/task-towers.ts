import { z } from 'zod';
import { didYouMean, joined } from '../core/errors.js';
import type { Value } from '../graph/operations.js';
import type { GraphBuilder } from '../graph/builder.js';
import { mlp, mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { ValidationIssue } from '../core/component.js';
import type { Task } from '../core/tasks.js';
import { buildHead, buildOutputLayer, type ModelContext, type ModelOutput, type ModelTask } from './model.js';

/** Options of a model with a tower per task. */
export const taskTowerOptions = {
  tower: mlpOptions
    .extend({ hidden: mlpOptions.shape.hidden.default([8]) })
    .prefault({})
    .describe('Tower of tasks that towers does not name'),
  towers: z.record(z.string(), mlpOptions).default({}).describe('Towers by task'),
};

interface TaskTowers {
  readonly tower: MlpOptions;
  readonly towers: Readonly<Record<string, MlpOptions>>;
}

/** Rejects towers of unknown tasks. */
export function* checkTaskTowers(
  tasks: readonly Task[],
  { towers }: Pick<TaskTowers, 'towers'>,
): Iterable<ValidationIssue> {
  const known = tasks.map((task) => task.name);
  for (const name of Object.keys(towers)) {
    if (!known.includes(name))
      yield {
        path: ['model', 'towers', name],
        message: joined(`unknown task '${name}'`, didYouMean(name, known)),
      };
  }
}

/** Returns the options of a task's tower: its own, or the common ones. */
export function getTower({ tower, towers }: TaskTowers, task: string): MlpOptions {
  // Task names are arbitrary, so inherited properties must not match.
  return Object.hasOwn(towers, task) ? towers[task]! : tower;
}

/** Builds the tower of a task: blocks and output layer. */
export function taskTower(
  g: GraphBuilder,
  task: ModelTask,
  x: Value,
  options: MlpOptions,
  firstBias: number | undefined,
): Value {
  const name = `towers.${task.name}`;
  return buildOutputLayer(g, task, mlp(g, x, options, name), name, firstBias);
}

/**
 * Builds a tower per task, with its prediction and loss term.
 * @param getInput returns the input of a task's tower
 */
export function taskTowers(
  { g, tasks }: ModelContext,
  options: TaskTowers,
  getInput: (task: ModelTask) => Value,
): ModelOutput {
  const heads = tasks.map((task) =>
    buildHead(g, task, taskTower(g, task, getInput(task), getTower(options, task.name), task.firstBias)),
  );
  return {
    predictions: new Map(tasks.map(({ name }, t) => [name, heads[t]!.prediction])),
    terms: heads.map(({ term }) => term),
  };
}
