import { column } from '../../core/batch.js';
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
import { missingLabelFix, listLabelColumns } from './label-columns.js';

/**
 * Checks the labels of the kept rows of a chunk, which the block has after its own rows: missing labels and violations
 * of parent labels are invalid, exclude the row, or set masks.
 */
export type LabelRule = (rows: ChunkRows, block: RowBlock) => void;

/** Creates the label rule of some tasks. */
export function startLabelRule(tasks: readonly Task[]): LabelRule {
  const columns = listLabelColumns(tasks);
  const mayBeBlank = (task: Task): boolean =>
    columns.some((column) => column.name === labelColumn(task) && column.mayBeBlank);
  // A label that is present and independent of others is valid in every row.
  const settled = tasks.filter(
    (task) =>
      mayBeBlank(task) || violationsOf(task) !== 'keep' || labelCheck(task) !== undefined || makesColumns(task, tasks),
  );
  const blankNames = settled.filter(mayBeBlank).map(labelColumn);
  let links: readonly TaskRule[] = [];
  let memory: Float32Array | undefined;
  return (rows, block) => {
    const own = settled[0] && column(block, labelColumn(settled[0]), 'f32').data;
    if (own !== memory) links = settled.map((task) => taskRule(task, tasks, block));
    memory = own;
    const first = block.rows;
    const isWhole = rows.numKept === rows.count;
    if (isWhole && links.every((link) => link.keepsAll(first, first + rows.count))) return;
    const blankLabels = blankNames.map((name) => column(block, name, 'f32').data);
    for (let row = 0; row < rows.count; row++)
      if (rows.isKept(row)) settleRow(rows, row, links, blankLabels, first + row);
  };
}

function settleRow(
  rows: ChunkRows,
  row: number,
  links: readonly TaskRule[],
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
  // All tasks have checked which labels are missing.
  for (const labels of blankLabels) if (Number.isNaN(labels[place])) labels[place] = 0;
}

/** Policy for rows whose label is 1 although the parent label is not. */
type Violations = 'error' | 'skip' | 'keep';

function violationsOf(task: Task): Violations {
  return task.type === 'classification' ? (normalizeGiven(task)?.violations ?? 'keep') : 'keep';
}

function makesColumns(task: Task, tasks: readonly Task[]): boolean {
  const { known, chainKnown } = taskColumns(task, tasks);
  return known !== undefined || chainKnown !== undefined;
}

/** Returns the reason to exclude a row whose label is 1 although the parent label is not. */
export function violationReason(task: Pick<Task, 'name' | 'label' | 'given'>): string {
  return `${nameOfLabel(task)} is 1 and ${normalizeGiven(task)?.named} is not`;
}

function nameOfLabel({ name, label }: Pick<Task, 'name' | 'label'>): string {
  return typeof label === 'string' ? label : `the label of ${name}`;
}

/** Returns the columns of a batch that the rule creates: masks of 0 and 1. */
export function maskColumns(tasks: readonly Task[]): readonly string[] {
  return tasks.flatMap((task) => {
    const { mask, known, chainKnown } = taskColumns(task, tasks);
    const own = mask === givenColumn(task, tasks) ? undefined : mask;
    return [...new Set([known, own, chainKnown])].filter((name) => name !== undefined);
  });
}

/** Labels of a task in a chain, NaN if missing. */
interface ChainLink {
  readonly values: Float32Array;
  readonly onMissing: Task['onMissing'];
}

/** The rule for the label of one task. */
interface TaskRule {
  /** Returns whether `settle` would keep all these rows as they are. */
  keepsAll(begin: number, end: number): boolean;
  /**
   * Checks the label of a row and writes its masks.
   * @returns the reason if the row is excluded
   * @throws InvalidValueError
   */
  settle(row: number): string | undefined;
}

function taskRule(task: Task, tasks: readonly Task[], block: RowBlock): TaskRule {
  const { onMissing } = task;
  const violations = violationsOf(task);
  const own = column(block, labelColumn(task), 'f32').data;
  const parent = normalizeGiven(task) && column(block, givenColumn(task, tasks)!, 'f32').data;
  const isParentKnown = tasksGiven(task, tasks)[0]?.onMissing !== 'mask';
  const check = labelCheck(task);
  const { knowns, masks, chainKnowns, chain } = masksOf(task, tasks, block);
  const { missing, violation, reasonMissing, reasonViolation } = labelErrors(task);
  // Whether a label of 0 is valid, and nothing depends on it.
  const isZeroSettled = [knowns, chainKnowns, check].every((each) => each === undefined);
  /** Returns the parent label: 1 without a parent, undefined if unknown. */
  const parentAt = (row: number): number | undefined => {
    const value = parent === undefined ? 1 : parent[row]!;
    return Number.isNaN(value) ? (isParentKnown ? 0 : undefined) : value;
  };
  return {
    keepsAll(begin, end) {
      if (!isZeroSettled) return false;
      const given = violations === 'keep' ? undefined : parent;
      for (let row = begin; row < end; row++) {
        const value = own[row]!;
        if (value !== 0 && (Number.isNaN(value) || (value === 1 && given !== undefined && given[row] !== 1)))
          return false;
      }
      return true;
    },
    settle(row) {
      const value = own[row]!;
      if (value === 0 && isZeroSettled) return undefined;
      const given = parentAt(row);
      const isMissing = Number.isNaN(value);
      if (isMissing) {
        if (given === 1 && onMissing === 'error') throw missing;
        if (given === 1 && onMissing === 'drop') return reasonMissing;
      } else if (value === 1 && violations !== 'keep' && given !== undefined && given !== 1) {
        if (violations === 'skip') return reasonViolation;
        throw violation;
      } else check?.(value);
      if (knowns !== undefined) knowns[row] = isMissing ? 0 : 1;
      if (masks !== undefined) masks[row] = given === 1 && !isMissing ? 1 : 0;
      if (chainKnowns !== undefined) chainKnowns[row] = isDecided(chain, row) ? 1 : 0;
      return undefined;
    },
  };
}

/** Returns the masks that the rule of a task writes, and the chain that one of them depends on. */
function masksOf(task: Task, tasks: readonly Task[], block: RowBlock) {
  const { mask, known, chainKnown } = taskColumns(task, tasks);
  const ownChain = chainKnown === known ? undefined : chainKnown;
  const maskOf = (name: string | undefined): Float32Array | undefined =>
    name === undefined || !block.columns.has(name) ? undefined : column(block, name, 'f32').data;
  return {
    knowns: maskOf(known),
    masks: known === undefined || normalizeGiven(task) === undefined ? undefined : maskOf(mask),
    chainKnowns: maskOf(ownChain),
    chain: (ownChain === undefined ? [] : findChain(task, tasks)!).map((link): ChainLink => ({
      values: column(block, labelColumn(link), 'f32').data,
      onMissing: link.onMissing,
    })),
  };
}

/** Returns what is wrong with a missing label or a violation, as an error and as a reason to exclude the row. */
function labelErrors(task: Task) {
  const name = nameOfLabel(task);
  const given = normalizeGiven(task)?.named;
  return {
    missing: new BadValue(
      `a value for ${name}${given === undefined ? '' : ` if ${given} is 1`}`,
      missingLabelFix(task.type === 'classification'),
    ),
    violation: new BadValue(
      `${given} to be 1 if ${name} is 1`,
      `correct the row, or set given: { label: ${given}, violations: skip } (excludes the row) or keep for the task`,
    ),
    reasonMissing: `${name} is missing`,
    reasonViolation: violationReason(task),
  };
}

/**
 * Returns whether it is known if all labels of a chain are 1: one label that is not 1 decides. A missing label whose
 * parent is unknown is unknown too.
 */
function isDecided(chain: readonly ChainLink[], row: number): boolean {
  let isKnown = true;
  for (const { values, onMissing } of chain) {
    const value = values[row]!;
    if (Number.isNaN(value) && (onMissing === 'mask' || (onMissing !== 'negative' && !isKnown))) isKnown = false;
    else if (value !== 1) return true;
  }
  return isKnown;
}
