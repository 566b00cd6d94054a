import type { ChunkRows } from '../../chunks/chunk.js';
import type { RowBlock } from '../../chunks/row-block.js';
import { BadValue } from '../../features/feature.js';
import {
  findChain,
  givenColumn,
  normalizeGiven,
  labelCheck,
  labelColumn,
  taskColumns,
  tasksGiven,
  type Task,
} from '../../core/tasks.js';
import { blankCure, labelColumnsOf } from './label-columns.js';

/**
 * Settles the labels of the kept rows of a chunk, which are in the block after its rows: whether each task is defined,
 * and whether a missing value or a 1 is valid there.
 */
export type LabelRule = (rows: ChunkRows, block: RowBlock) => void;

/** Creates the label rule of some tasks. */
export function startLabelRule(tasks: readonly Task[]): LabelRule {
  const blanks = new Set(
    labelColumnsOf(tasks)
      .filter(({ mayBeBlank }) => mayBeBlank)
      .map(({ name }) => name),
  );
  const mayBeBlank = (task: Task): boolean => blanks.has(labelColumn(task));
  // A label that is present and independent of others is valid in every row.
  const settled = tasks.filter(
    (task) =>
      mayBeBlank(task) || violationsOf(task) !== 'keep' || labelCheck(task) !== undefined || makesColumns(task, tasks),
  );
  const blankNames = settled.filter(mayBeBlank).map(labelColumn);
  let links: readonly StartedTask[] = [];
  let memory: Float32Array | undefined;
  return (rows, block) => {
    const [own] = block.labels.values();
    if (own !== memory) links = settled.map((task) => startTask(task, tasks, block));
    memory = own;
    const first = block.rows;
    const isWhole = rows.numKept === rows.count;
    if (isWhole && links.every(({ keepsAll }) => keepsAll(first, first + rows.count))) return;
    const blankLabels = blankNames.map((name) => block.labels.get(name)!);
    for (let row = 0; row < rows.count; row++)
      if (rows.isKept(row)) settleRow(rows, row, links, blankLabels, first + row);
  };
}

function settleRow(
  rows: ChunkRows,
  row: number,
  links: readonly StartedTask[],
  blankLabels: readonly Float32Array[],
  place: number,
): void {
  try {
    for (const link of links) {
      const reason = link.settle(place);
      if (reason !== undefined) return rows.exclude(row, reason);
    }
  } catch (error) {
    return rows.refuse(row, undefined, error);
  }
  // Every task has seen which labels are missing.
  for (const labels of blankLabels) if (Number.isNaN(labels[place])) labels[place] = 0;
}

/** What becomes of a row whose label is 1 where the one is not that its task is given. */
function violationsOf(task: Task): 'error' | 'skip' | 'keep' {
  return task.type === 'classification' ? (normalizeGiven(task)?.violations ?? 'keep') : 'keep';
}

function makesColumns(task: Task, tasks: readonly Task[]): boolean {
  const { known, chainKnown } = taskColumns(task, tasks);
  return known !== undefined || chainKnown !== undefined;
}

/** Why a row is left out whose label is 1 where the one is not that its task is given. */
export function violationReason(task: Pick<Task, 'name' | 'label' | 'given'>): string {
  return `${nameOfLabel(task)} is 1 and ${normalizeGiven(task)?.named} is not`;
}

function nameOfLabel({ name, label }: Pick<Task, 'name' | 'label'>): string {
  return typeof label === 'string' ? label : `the label of ${name}`;
}

/** The columns of a batch that the rule makes, beside those that are read: 1 or 0, a mask each. */
export function maskColumns(tasks: readonly Task[]): readonly string[] {
  const names = tasks.flatMap((task) => {
    const { mask, known, chainKnown } = taskColumns(task, tasks);
    return [
      known,
      mask === known || mask === givenColumn(task, tasks) ? undefined : mask,
      chainKnown === known ? undefined : chainKnown,
    ];
  });
  return names.filter((name) => name !== undefined);
}

/** A task at work. */
interface StartedTask {
  /** Looks at the label of a row, and gives why the row is left out. */
  settle(row: number): string | undefined;
  /** Whether the labels of rows have nothing that it would look at twice. */
  keepsAll(begin: number, end: number): boolean;
}

/** The labels of a task, NaN where they are blank. */
interface Link {
  readonly values: Float32Array;
  readonly missing: Task['onMissing'];
}

/** What a label is in a row: undefined where nobody knows. */
type Read = (row: number) => number | undefined;

function startTask(task: Task, tasks: readonly Task[], { labels }: RowBlock): StartedTask {
  const { onMissing: missing } = task;
  const { label, mask, known, chainKnown } = taskColumns(task, tasks);
  const own = labels.get(label)!;
  const given = normalizeGiven(task);
  const [condition] = tasksGiven(task, tasks);
  const givenLabel = given && labels.get(givenColumn(task, tasks)!)!;
  const violations = violationsOf(task);
  const what = nameOfLabel(task);
  const check = labelCheck(task);
  const broken = new BadValue(
    `${given?.named} to be 1 if ${what} is 1`,
    given &&
      `correct the row, or set given: { label: ${given.named}, violations: skip } (excludes the row) or keep ` +
        'for the task',
  );
  const isBlank = new BadValue(
    `a value for ${what}${given === undefined ? '' : ` if ${given.named} is 1`}`,
    blankCure(task.type === 'classification'),
  );
  const [reasonBroken, reasonBlank] = [violationReason(task), `${what} is missing`];

  const givenValue: Read | undefined =
    givenLabel &&
    ((row) => (Number.isNaN(givenLabel[row]!) ? (condition?.onMissing === 'mask' ? undefined : 0) : givenLabel[row]!));
  const chain =
    chainKnown === undefined || chainKnown === known
      ? []
      : findChain(task, tasks)!.map((link): Link => ({
          values: labels.get(labelColumn(link))!,
          missing: link.onMissing,
        }));
  const [knownInto, maskInto, chainInto] = [known, mask, chain.length > 0 ? chainKnown : undefined].map((column) =>
    column === undefined ? undefined : labels.get(column),
  );
  const hasMask = knownInto !== undefined && given !== undefined;
  const isAlone = knownInto === undefined && chainInto === undefined && check === undefined;

  const asksGiven = violations !== 'keep' && givenLabel !== undefined;
  const keepsAll = (begin: number, end: number): boolean => {
    if (!isAlone) return false;
    for (let row = begin; row < end; row++) {
      const value = own[row]!;
      if (value !== 0 && (Number.isNaN(value) || (value === 1 && asksGiven && givenLabel[row] !== 1))) return false;
    }
    return true;
  };
  const settle = (row: number): string | undefined => {
    const value = own[row]!;
    // Most labels are.
    if (value === 0 && isAlone) return undefined;
    const gives = givenValue === undefined ? 1 : givenValue(row);
    if (Number.isNaN(value)) {
      if (gives === 1 && missing === 'error') throw isBlank;
      if (gives === 1 && missing === 'drop') return reasonBlank;
    } else if (value === 1 && violations !== 'keep' && gives !== undefined && gives !== 1) {
      if (violations === 'skip') return reasonBroken;
      throw broken;
    } else check?.(value);
    if (knownInto !== undefined) knownInto[row] = Number.isNaN(value) ? 0 : 1;
    if (hasMask) maskInto![row] = gives === 1 && !Number.isNaN(value) ? 1 : 0;
    if (chainInto !== undefined) chainInto[row] = isDecided(chain, row) ? 1 : 0;
    return undefined;
  };
  return { settle, keepsAll };
}

/**
 * Whether it is known if all labels of a chain are 1: one that is not decides. What is blank since nobody knows what it
 * is given is open too.
 */
function isDecided(chain: readonly Link[], row: number): boolean {
  let isKnown = true;
  for (const { values, missing } of chain) {
    const value = values[row]!;
    if (Number.isNaN(value) && (missing === 'mask' || (missing !== 'negative' && !isKnown))) isKnown = false;
    else if (value !== 1) return true;
  }
  return isKnown;
}
