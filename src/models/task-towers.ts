import { z } from 'zod';
import { didYouMean, joined } from '../core/errors.js';
import type { Streams } from '../bottoms/bottom.js';
import type { Term } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { LossOptions } from '../graph/loss-options.js';
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

/** Input of a task's tower. */
interface TowerInput {
  readonly x: Value;
  readonly streams: Streams | undefined;
}

/** Outputs of a task's tower, and loss terms of its streams. */
export interface TowerOutput {
  readonly out: Value;
  readonly distilled: readonly Term[];
}

/**
 * Builds the tower of a task: blocks and output layer. An input with streams has a tower per stream, whose outputs are
 * averaged; each stream then learns the probability of the mean.
 * @param counted returns the rows that count in the losses of streams
 */
export function taskTower(
  g: GraphBuilder,
  task: ModelTask,
  { x, streams }: TowerInput,
  options: MlpOptions,
  firstBias: number | undefined,
  counted: () => LossOptions,
): TowerOutput {
  const name = `towers.${task.name}`;
  const build = (input: Value, tower: string): Value =>
    buildOutputLayer(g, task, mlp(g, input, options, tower), tower, firstBias);
  if (streams === undefined) return { out: build(x, name), distilled: [] };
  let begin = 0;
  const outputs = streams.streams.map(({ name: stream, width }) => {
    begin += width;
    return [stream, build(g.slice(x, begin - width, width), `${name}.${stream}`)] as const;
  });
  const sum = outputs.map(([, each]) => each).reduce((a, b) => g.add(a, b));
  const out = g.affine(sum, 1 / outputs.length, 0);
  const teacher = g.stopGradient(g.activation(out, 'sigmoid', `${name}.mean`));
  const distilled = outputs.map(([stream, logit]): Term => ({
    name: `${task.name}.${stream}`,
    weight: task.weight * streams.weight,
    loss: g.binaryCrossEntropy(logit, teacher, counted()),
  }));
  return { out, distilled };
}

/**
 * Builds a tower per task, with its prediction and loss terms.
 * @param getInput returns the input of a task's tower
 * @param getStreams returns its streams; default: it has none
 */
export function taskTowers(
  { g, tasks }: ModelContext,
  options: TaskTowers,
  getInput: (task: ModelTask) => Value,
  getStreams: (task: ModelTask) => Streams | undefined = () => undefined,
): ModelOutput {
  const heads = tasks.map((task) => {
    const { out, distilled } = taskTower(
      g,
      task,
      { x: getInput(task), streams: getStreams(task) },
      getTower(options, task.name),
      task.firstBias,
      () => task.counted,
    );
    return { ...buildHead(g, task, out), distilled };
  });
  return {
    predictions: new Map(tasks.map(({ name }, t) => [name, heads[t]!.prediction])),
    terms: [...heads.map(({ term }) => term), ...heads.flatMap(({ distilled }) => distilled)],
  };
}
