import { z } from 'zod';
import { InvalidValueError } from '../text/invalid-value.js';
import { columnName, conditionColumns, conditionSchema } from './conditions.js';
import { scaleBeforeFit, scalingOption, type ScaleStep } from './scaling.js';

export { columnName } from './conditions.js';

/** What is done about rows in which a label is 1 and the one that it is given is not. */
export const VIOLATIONS = ['error', 'skip', 'keep'] as const;

/** What is done about a blank label. */
export const MISSING = ['error', 'mask', 'drop', 'negative'] as const;

const givenLabel = columnName.describe('Label column, or the task that owns it');

/** What a task of the YAML may say. */
export const taskOptions = z.strictObject({
  label: z
    .union([columnName, conditionSchema])
    .describe('Label column, or a condition that makes the label 1 if it holds and 0 if not'),
  type: z
    .enum(['classification', 'regression'])
    .default('classification')
    .describe('Task type: binary label (classification) or numeric label (regression)'),
  given: z
    .union([
      givenLabel,
      z.strictObject({
        label: givenLabel,
        violations: z
          .enum(VIOLATIONS)
          .default('error')
          .describe('Policy for rows with label 1 but parent label 0: error, exclude them, or keep them'),
      }),
    ])
    .optional()
    .describe('Parent task or label column; this task is trained and measured on rows with parent label 1'),
  onMissing: z
    .enum(MISSING)
    .default('error')
    .describe('Policy for a missing label: error, exclude the row from this task (mask), drop it, or use 0 (negative)'),
  loss: z
    .union([z.string(), z.looseObject({ name: z.string() })])
    .optional()
    .describe('Loss name, or name with options; default: cross-entropy for classification, squared for regression'),
  scaling: scalingOption
    .optional()
    .describe('Label scaling for the loss of a regression, one or a list; predictions are unscaled'),
  weight: z.number().min(0).default(1).describe("Weight of the task's loss"),
  sampleWeight: columnName.optional().describe('Column of non-negative row weights for the loss'),
  positiveWeight: z
    .union([z.number().positive(), z.literal('balanced')], "expected a number above 0, or 'balanced'")
    .optional()
    .describe('Loss weight of rows with label 1; balanced: negatives divided by positives of the training set'),
});

/** Labels that a loss can be computed of. */
export interface LabelRange {
  readonly atLeast: number;
  readonly atMost?: number;
}

/** One thing to predict. */
export interface Task extends z.output<typeof taskOptions> {
  readonly name: string;
  /** Of a regression whose loss does not take every number. */
  readonly labelRange?: LabelRange | undefined;
  /** Of one whose loss compares rows within groups: the column of the data whose cells these are. */
  readonly lossKey?: string | undefined;
}

/** What a task is given. */
export interface Given {
  /** As the YAML names it: a label column, a task, or any other column. */
  readonly named: string;
  /** What is done about rows whose label is 1 where the given one is not. */
  readonly violations: (typeof VIOLATIONS)[number];
}

/** What a task is given, if anything. */
export function normalizeGiven({ given }: Pick<Task, 'given'>): Given | undefined {
  if (typeof given === 'object') return { named: given.label, violations: given.violations };
  return given === undefined ? undefined : { named: given, violations: 'error' };
}

/**
 * The tasks whose label is given another: those that have the column of that name as their label, else the one of that
 * name; none where it is a column alone.
 */
export function tasksGiven<T extends Task>(task: T, tasks: readonly T[]): readonly T[] {
  const { named } = normalizeGiven(task) ?? {};
  const others = tasks.filter(({ name }) => name !== task.name);
  const byLabel = others.filter(({ label }) => label === named);
  return byLabel.length > 0 ? byLabel : others.filter(({ name }) => name === named);
}

/** The tasks that are given no other task's label. */
export function rootTasks(tasks: readonly Task[]): readonly Task[] {
  return tasks.filter((task) => tasksGiven(task, tasks).length === 0);
}

/**
 * The tasks down to one, each given the label of the one before it: their probabilities multiply to that of its label
 * over all rows.
 * @returns undefined where no classification predicts a label that is given
 */
export function findChain<T extends Task>(task: T, tasks: readonly T[]): readonly T[] | undefined {
  if (task.given === undefined) return [task];
  // Tasks that are given each other's labels have no beginning.
  const others = tasks.filter((other) => other !== task);
  const chains = tasksGiven(task, others)
    .filter(({ type }) => type === 'classification')
    .map((other) => findChain(other, others));
  const above = chains.find((chain) => chain !== undefined);
  return above && [...above, task];
}

/** Where a batch has what a task is trained and measured with: names of its label columns. */
export interface TaskColumns {
  /** The truth; 0 where it is blank. */
  readonly label: string;
  /** 1 where the task is trained and measured; undefined where it is everywhere. */
  readonly mask: string | undefined;
  /** 1 where the label is not blank; undefined where it never is. */
  readonly known: string | undefined;
  /** 1 where it is known whether the label and all that it is given are 1; undefined where it always is. */
  readonly chainKnown: string | undefined;
  readonly sampleWeight: string | undefined;
}

/**
 * Where a batch has what a task is trained and measured with. What is made of cells is called as hardly a column will
 * be.
 */
export function taskColumns(task: Task, tasks: readonly Task[]): TaskColumns {
  const { name, onMissing: missing, sampleWeight } = task;
  const given = givenColumn(task, tasks);
  const known = missing === 'mask' ? `tasks.${name}.known` : undefined;
  const isChainUnknown =
    given !== undefined && findChain(task, tasks)?.some((link) => link.onMissing === 'mask') === true;
  return {
    label: labelColumn(task),
    mask: known !== undefined && given !== undefined ? `tasks.${name}.mask` : (known ?? given),
    known,
    chainKnown: isChainUnknown ? `tasks.${name}.chainKnown` : known,
    sampleWeight: sampleWeight === undefined ? undefined : weightColumn(sampleWeight),
  };
}

/** What the label of a task is called in a batch: as its column, or by its task where it is a condition. */
export function labelColumn({ name, label }: Pick<Task, 'name' | 'label'>): string {
  return typeof label === 'string' ? label : `tasks.${name}.label`;
}

/** What the label is called in a batch that a task is given. */
export function givenColumn(task: Task, tasks: readonly Task[]): string | undefined {
  const [other] = tasksGiven(task, tasks);
  return other === undefined ? normalizeGiven(task)?.named : labelColumn(other);
}

/** What the factors are called in a batch that a column of the data holds, which may be a feature too. */
export function weightColumn(column: string): string {
  return `sampleWeight.${column}`;
}

/**
 * What a label must be beside a number: a function that refuses what is not, with BadValue; none where any number will
 * do.
 */
export function labelCheck({
  name,
  scaling,
  labelRange,
}: Pick<Task, 'name' | 'scaling' | 'labelRange'>): ((value: number) => void) | undefined {
  if (labelRange === undefined) return scaling === undefined ? undefined : scaleBeforeFit(scaling);
  const { atLeast, atMost = Infinity } = labelRange;
  const expected = `a number ${atMost === Infinity ? `of ${atLeast} or more` : `from ${atLeast} to ${atMost}`}, for the loss of ${name}`;
  return (value) => {
    if (value < atLeast || value > atMost)
      throw new InvalidValueError(expected, `correct the row, or take another loss below the task`);
  };
}

/** The columns of the data that the labels of a list of tasks are read from, each once. */
export function labelColumns(tasks: readonly Task[]): readonly string[] {
  const ofTask = (task: Task): readonly string[] => {
    const own = typeof task.label === 'string' ? [task.label] : conditionColumns(task.label);
    const given = normalizeGiven(task);
    return given === undefined || tasksGiven(task, tasks).length > 0 ? own : [...own, given.named];
  };
  return [...new Set(tasks.flatMap(ofTask))];
}

/** What the rows of a label add up to; each counts as much as it weighs. */
export interface LabelSum {
  /** Of the rows themselves. */
  readonly weight: number;
  /** Of the label: of a class, what its 1s weigh. */
  readonly sum: number;
}

/** What a label of train adds up to: where its task is defined, and where the end of its chain is known. */
export interface LabelSums {
  readonly own: LabelSum;
  readonly chain: LabelSum;
}

/** What train says of the labels of tasks, by task. */
export interface LabelFacts {
  /** What they add up to; those that are scaled, as they are then. */
  readonly sums: ReadonlyMap<string, LabelSums>;
  /** Of those that are scaled: step by step, how. */
  readonly scales: ReadonlyMap<string, readonly ScaleStep[]>;
}
