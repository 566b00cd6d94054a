import { z } from 'zod';
import { InvalidValueError } from '../text/invalid-value.js';
import { columnName, conditionColumns, conditionSchema } from './conditions.js';
import { invertibleScalingOption, scaleBeforeFit, type InvertibleStep } from './scaling.js';

export { columnName } from './conditions.js';

/** Policies for rows with label 1 but parent label 0. */
export const VIOLATIONS = ['error', 'skip', 'keep'] as const;

/** Policies for a missing label. */
export const MISSING = ['error', 'mask', 'drop', 'negative'] as const;

const givenLabel = columnName.describe('Label column, or the task that owns it');

const distillOptions = z.strictObject({
  column: columnName.optional().describe("Column of the teacher's probability; missing: plain loss"),
  from: z
    .string()
    .min(1)
    .optional()
    .describe('Run or checkpoint that scores the training rows, in place of a column; latest, a name or a path'),
  task: z.string().min(1).optional().describe("Output of the run, such as ctcvr; default: the task's own name"),
  weight: z.number().min(0).max(1).default(0.5).describe("Share of the teacher's loss, against the label's"),
  temperature: z.number().positive().default(1).describe('Divisor of both logits in the loss of the teacher'),
});

/** Options of distillation from a teacher's probabilities. */
export type Distillation = z.output<typeof distillOptions>;

export const taskOptions = z.strictObject({
  label: z.union([columnName, conditionSchema]).describe('Label column, or a condition: label 1 if it holds, else 0'),
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
          .describe('Policy for rows with label 1 but parent label 0: error, exclude or keep'),
      }),
    ])
    .optional()
    .describe('Parent task or label column; the task is defined on rows with parent label 1'),
  onMissing: z
    .enum(MISSING)
    .default('error')
    .describe('Policy for a missing label: error, mask (excluded from this task), drop the row, or negative (0)'),
  loss: z
    .union([z.string(), z.looseObject({ name: z.string() })])
    .optional()
    .describe('Loss name, or name with options; default: cross-entropy for classification, squared for regression'),
  delay: z
    .looseObject({ method: z.string(), event: columnName.optional() })
    .optional()
    .describe('Label that becomes known late; the training set is replayed in order of time'),
  distill: distillOptions.optional().describe("Distillation from a teacher's probabilities"),
  scaling: invertibleScalingOption
    .optional()
    .describe('Label scaling for the loss of a regression, one or a list; predictions are unscaled'),
  weight: z.number().min(0).default(1).describe("Weight of the task's loss"),
  sampleWeight: columnName.optional().describe('Column of non-negative row weights for the loss'),
  positiveWeight: z
    .union([z.number().positive(), z.literal('balanced')], "expected a number above 0, or 'balanced'")
    .optional()
    .describe('Loss weight of rows with label 1; balanced: training negatives divided by positives'),
});

/** Labels that a loss accepts. */
export interface LabelRange {
  readonly atLeast: number;
  readonly atMost?: number;
}

export interface Task extends z.output<typeof taskOptions> {
  readonly name: string;
  /** For a regression whose loss does not accept every number. */
  readonly labelRange?: LabelRange | undefined;
  /** Column that groups rows, for a loss that compares rows within groups. */
  readonly lossKey?: string | undefined;
}

/** The parent of a task. */
export interface Given {
  /** Name in the YAML: a label column, a task or any other column. */
  readonly named: string;
  /** Policy for rows with label 1 but parent label 0. */
  readonly violations: (typeof VIOLATIONS)[number];
}

/** Returns the parent of a task, if any. */
export function normalizeGiven({ given }: Pick<Task, 'given'>): Given | undefined {
  if (typeof given === 'object') return { named: given.label, violations: given.violations };
  return given === undefined ? undefined : { named: given, violations: 'error' };
}

/**
 * Returns the parent tasks: those with the given label column, else the one with that name; empty if only a column is
 * given.
 */
export function tasksGiven<T extends Task>(task: T, tasks: readonly T[]): readonly T[] {
  const { named } = normalizeGiven(task) ?? {};
  const others = tasks.filter(({ name }) => name !== task.name);
  const byLabel = others.filter(({ label }) => label === named);
  return byLabel.length > 0 ? byLabel : others.filter(({ name }) => name === named);
}

/** Returns the tasks without a parent task. */
export function rootTasks(tasks: readonly Task[]): readonly Task[] {
  return tasks.filter((task) => tasksGiven(task, tasks).length === 0);
}

/**
 * Returns the chain from a root task to `task`, whose probabilities multiply to the probability of its label over all
 * rows.
 * @returns undefined if a parent label is not predicted by a classification
 */
export function findChain<T extends Task>(task: T, tasks: readonly T[]): readonly T[] | undefined {
  if (task.given === undefined) return [task];
  // Circular parents have no root.
  const others = tasks.filter((other) => other !== task);
  const chains = tasksGiven(task, others)
    .filter(({ type }) => type === 'classification')
    .map((other) => findChain(other, others));
  const above = chains.find((chain) => chain !== undefined);
  return above && [...above, task];
}

/** Names of a task's label columns in a batch. */
export interface TaskColumns {
  /** The label; 0 if missing. */
  readonly label: string;
  /** 1 for rows that the task is trained and measured on; undefined for all rows. */
  readonly mask: string | undefined;
  /** 1 if the label is not missing; undefined if it never is. */
  readonly known: string | undefined;
  /** 1 if the labels of the whole chain are known; undefined if they always are. */
  readonly chainKnown: string | undefined;
  readonly sampleWeight: string | undefined;
  readonly teacher: TeacherColumns | undefined;
}

/** Names of a teacher's columns in a batch. */
export interface TeacherColumns {
  /** Logit of the teacher's probability; 0 if missing. */
  readonly logit: string;
  /** 1 if the teacher's probability is not missing. */
  readonly known: string;
}

/** Returns the label columns of a task. Derived columns have names that a data column is unlikely to have. */
export function taskColumns(task: Task, tasks: readonly Task[]): TaskColumns {
  const { name, onMissing: missing, sampleWeight, distill } = task;
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
    teacher: distill && teacherColumns(teacherColumn(name, distill)),
  };
}

/** Returns the name of a task's label in a batch: its column, or a name derived from the task for a condition. */
export function labelColumn({ name, label }: Pick<Task, 'name' | 'label'>): string {
  return typeof label === 'string' ? label : `tasks.${name}.label`;
}

/** Returns the name of the parent label in a batch. */
export function givenColumn(task: Task, tasks: readonly Task[]): string | undefined {
  const [other] = tasksGiven(task, tasks);
  return other === undefined ? normalizeGiven(task)?.named : labelColumn(other);
}

/** Returns the name of a sample weight in a batch; the column may also be a feature. */
export function weightColumn(column: string): string {
  return `sampleWeight.${column}`;
}

/** Returns the column with the probability of a teacher: one of the data, or one that is computed with a run. */
export function teacherColumn(task: string, { column }: Distillation): string {
  return column ?? `tasks.${task}.teacher`;
}

/** Returns the names of a teacher's columns in a batch. */
export function teacherColumns(column: string): TeacherColumns {
  return { logit: `teacher.${column}`, known: `teacher.${column}.known` };
}

/** Returns tasks that compare with their labels only, for use without teachers. */
export function withoutTeachers(tasks: readonly Task[]): readonly Task[] {
  return tasks.map((task) => ({ ...task, distill: undefined }));
}

/** Returns tasks without the teachers that are runs, for rows that none of them scores. */
export function withoutRuns(tasks: readonly Task[]): readonly Task[] {
  return tasks.map((task) => (task.distill?.from === undefined ? task : { ...task, distill: undefined }));
}

/** Returns a function that throws InvalidValueError for invalid labels; undefined if every number is valid. */
export function labelCheck({
  name,
  scaling,
  labelRange,
}: Pick<Task, 'name' | 'scaling' | 'labelRange'>): ((value: number) => void) | undefined {
  if (labelRange === undefined) return scaling === undefined ? undefined : scaleBeforeFit(scaling);
  const { atLeast, atMost = Infinity } = labelRange;
  const range = atMost === Infinity ? `of ${atLeast} or more` : `from ${atLeast} to ${atMost}`;
  const expected = `a number ${range} for the loss of ${name}`;
  return (value) => {
    if (value < atLeast || value > atMost)
      throw new InvalidValueError(expected, `correct the row, or set another loss for the task`);
  };
}

/** Returns the distinct data columns of the labels, and those with the times of conversions. */
export function labelColumns(tasks: readonly Task[]): readonly string[] {
  const ofTask = (task: Task): readonly string[] => {
    const event = task.delay?.event;
    const own = [
      ...(typeof task.label === 'string' ? [task.label] : conditionColumns(task.label)),
      ...(event === undefined ? [] : [event]),
    ];
    const given = normalizeGiven(task);
    return given === undefined || tasksGiven(task, tasks).length > 0 ? own : [...own, given.named];
  };
  return [...new Set(tasks.flatMap(ofTask))];
}

/** Weighted sums over rows. */
export interface LabelSum {
  /** Sum of the weights. */
  readonly weight: number;
  /** Weighted sum of the label; for a class, the weight of its positives. */
  readonly sum: number;
}

/** Label sums of the training set, where the task is defined and where its chain is known. */
export interface LabelSums {
  readonly own: LabelSum;
  readonly chain: LabelSum;
}

/** Label statistics of the training set, by task. */
export interface LabelFacts {
  /** Sums of labels, after scaling. */
  readonly sums: ReadonlyMap<string, LabelSums>;
  readonly scales: ReadonlyMap<string, readonly InvertibleStep[]>;
}
