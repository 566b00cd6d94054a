import type { z } from 'zod';
import { formatMethodColumn } from './columns.js';
import { registry } from '../core/component.js';
import { parseDuration } from '../core/duration.js';
import type { Task } from '../core/tasks.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { probability, type TaskLoss } from '../losses/loss.js';
import { losses, resolveLoss } from '../losses/losses.js';
import * as all from './all.js';
import { outputAt, type DelayMethod } from './method.js';
import { delayShape } from './options.js';

const { names, parts, build, schemaWith } = registry(all, 'method');

/** Every method for delayed labels by its name in the config, with the options of all methods. */
export const delays = { names, parts, schema: schemaWith(delayShape) };

/** The `delay` section of a task. */
export type DelayOptions = z.output<typeof delays.schema>;

/** A task whose label is delayed. */
export interface DelayedTask extends DelayMethod {
  readonly task: Task;
  readonly options: DelayOptions;
  readonly windowMs: number;
}

/** Returns the method of a task with all of its options; undefined if its label is not delayed. */
export function resolveDelay(task: Task): DelayedTask | undefined {
  if (task.delay === undefined) return undefined;
  const options = delays.schema.parse(task.delay);
  const windowMs = parseDuration(options.window);
  return { task, options, windowMs, ...build(options, windowMs) };
}

/** Lists the tasks whose labels are delayed. */
export function listDelayed(tasks: readonly Task[]): readonly DelayedTask[] {
  return tasks.flatMap((task) => resolveDelay(task) ?? []);
}

/** Returns the number of outputs of a task's tower. */
export function countOutputs(task: Task): number {
  return resolveDelay(task)?.outputs ?? losses.build(resolveLoss(task)).outputs;
}

/**
 * Returns the loss of a task whose label is delayed.
 * @param column returns the label column of a batch with a name
 */
export function delayedLoss(
  { task, columns, outputs, rows, predict }: DelayedTask,
  column: (name: string) => Value,
): TaskLoss {
  return {
    outputs,
    predict: (g: GraphBuilder, out, name) => predict?.(g, out) ?? probability(g, outputAt(g, out, 0), name),
    rows: (g, out, label) =>
      rows(
        g,
        out,
        g.stopGradient(label),
        columns.map((each) => g.stopGradient(column(formatMethodColumn(task.name, each)))),
      ),
  };
}
