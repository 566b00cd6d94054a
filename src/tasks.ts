import { z } from 'zod';

/** The name of a column; names like 101 may stand without quotes. */
export const columnName = z.union([z.string().min(1), z.int().min(0)]).transform(String);

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

/** The task that predicts the condition of `task`: the one whose label is the column it is given. */
export function conditionOf(task: Task, tasks: readonly Task[]): Task | undefined {
  return task.given === undefined ? undefined : tasks.find((other) => other.label === task.given && other.given === undefined);
}
