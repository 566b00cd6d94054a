import { z } from 'zod';
import { didYouMean, joined } from '../core/errors.js';
import type { Value } from '../graph/operations.js';
import type { GraphBuilder } from '../graph/builder.js';
import { mlp, mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { ValidationIssue } from '../core/component.js';
import type { Task } from '../core/tasks.js';
import { buildHead, buildOutputLayer, type ModelContext, type ModelOutput, type ModelTask } from './model.js';

/** Options of a model with a tower for every task. */
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

/** What is wrong with towers by task: those of no task. */
export function* checkTaskTowers(
  tasks: readonly Task[],
  { towers }: Pick<TaskTowers, 'towers'>,
): Iterable<ValidationIssue> {
  const known = tasks.map((task) => task.name);
  for (const name of Object.keys(towers)) {
    if (!known.includes(name))
      yield {
        path: ['model', 'towers', name],
        message: joined(`no task is called '${name}'`, didYouMean(name, known)),
      };
  }
}

/** The options of a task's tower: its own, or those of all that have none. */
export function getTower({ tower, towers }: TaskTowers, task: string): MlpOptions {
  // Tasks may be called anything, so nothing inherited counts.
  return Object.hasOwn(towers, task) ? towers[task]! : tower;
}

/** The tower of a task: blocks, then its last layer, whose first bias it is told. */
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
 * A tower for every task, with the prediction and the loss term that its type asks for.
 * @param inputOf what the tower of a task stands on
 */
export function taskTowers(
  { g, tasks }: ModelContext,
  options: TaskTowers,
  inputOf: (task: ModelTask) => Value,
): ModelOutput {
  const heads = tasks.map((task) =>
    buildHead(g, task, taskTower(g, task, inputOf(task), getTower(options, task.name), task.firstBias)),
  );
  return {
    predictions: new Map(tasks.map(({ name }, t) => [name, heads[t]!.prediction])),
    terms: heads.map(({ term }) => term),
  };
}
