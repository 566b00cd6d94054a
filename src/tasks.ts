import { z } from 'zod';
import { columnName } from './conditions.js';

export { columnName } from './conditions.js';

/** What a task of the YAML may say. */
export const taskOptions = z.strictObject({
  label: columnName.describe('the column that holds the truth'),
  type: z.enum(['classification', 'regression']).default('classification'),
  given: columnName.optional().describe('a label column: the task is trained and measured where it is 1'),
  weight: z.number().min(0).default(1).describe("factor of the task's loss"),
});

/** One thing to predict. */
export interface Task extends z.output<typeof taskOptions> {
  readonly name: string;
}

/** The label columns that a list of tasks reads, each once. */
export function labelColumns(tasks: readonly Task[]): readonly string[] {
  return [...new Set(tasks.flatMap(({ label, given }) => (given === undefined ? [label] : [label, given])))];
}

/**
 * The tasks down to one, each given the label of the one before it: their probabilities multiply to that of its label over all rows.
 * @returns undefined where no classification predicts a label that is given
 */
export function chainOf<T extends Task>(task: T, tasks: readonly T[]): readonly T[] | undefined {
  if (task.given === undefined) return [task];
  // Tasks that are given each other's labels have no beginning.
  const others = tasks.filter((other) => other !== task);
  const chains = others.filter(({ label, type }) => label === task.given && type === 'classification').map((other) => chainOf(other, others));
  const above = chains.find((chain) => chain !== undefined);
  return above && [...above, task];
}
