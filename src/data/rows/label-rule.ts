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
 * Checks the labels of the kept rows of a chunk, which the block has after its own rows: missing labels and violations
 * of parent labels are invalid, exclude the row, or set masks.
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
  let links: readonly TaskLabels[] = [];
  let memory: Float32Array | undefined;
  return (rows, block) => {
    const [own] = block.labels.values();
    if (own !== memory) links = settled.map((task) => new TaskLabels(task, tasks, block));
    memory = own;
    const first = block.rows;
    const isWhole = rows.numKept === rows.count;
    if (isWhole && links.every((link) => link.keepsAll(first, first + rows.count))) return;
    const blankLabels = blankNames.map((name) => block.labels.get(name)!);
    for (let row = 0; row < rows.count; row++)
      if (rows.isKept(row)) settleRow(rows, row, links, blankLabels, first + row);
  };
}

function settleRow(
  rows: ChunkRows,
  row: number,
  links: readonly TaskLabels[],
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

/** Labels of a task in a chain, NaN if missing. */
interface ChainLink {
  readonly values: Float32Array;
  readonly onMissing: Task['onMissing'];
}

/** The labels of a task in a block. */
class TaskLabels {
  readonly #own: Float32Array;
  /** Labels of the parent task; undefined without one. */
  readonly #given: Float32Array | undefined;
  readonly #isGivenKnown: boolean;
  readonly #onMissing: Task['onMissing'];
  readonly #violations: Violations;
  readonly #check: ReturnType<typeof labelCheck>;
  /** Masks that the rule writes. */
  readonly #known: Float32Array | undefined;
  readonly #mask: Float32Array | undefined;
  readonly #chainKnown: Float32Array | undefined;
  readonly #chain: readonly ChainLink[];
  /** Whether a label of 0 is valid, and nothing depends on it. */
  readonly #isZeroSettled: boolean;
  readonly #missing: BadValue;
  readonly #violation: BadValue;
  readonly #reasonMissing: string;
  readonly #reasonViolation: string;

  constructor(task: Task, tasks: readonly Task[], { labels }: RowBlock) {
    const { label, mask, known, chainKnown } = taskColumns(task, tasks);
    const given = normalizeGiven(task);
    this.#own = labels.get(label)!;
    this.#given = given && labels.get(givenColumn(task, tasks)!)!;
    this.#isGivenKnown = tasksGiven(task, tasks)[0]?.onMissing !== 'mask';
    this.#onMissing = task.onMissing;
    this.#violations = violationsOf(task);
    this.#check = labelCheck(task);

    this.#known = known === undefined ? undefined : labels.get(known);
    this.#mask = known === undefined || given === undefined ? undefined : labels.get(mask!);
    this.#chainKnown = chainKnown === undefined || chainKnown === known ? undefined : labels.get(chainKnown);
    this.#chain =
      this.#chainKnown === undefined
        ? []
        : findChain(task, tasks)!.map((link) => ({
            values: labels.get(labelColumn(link))!,
            onMissing: link.onMissing,
          }));
    this.#isZeroSettled = [this.#known, this.#chainKnown, this.#check].every((each) => each === undefined);

    const name = nameOfLabel(task);
    this.#missing = new BadValue(
      `a value for ${name}${given === undefined ? '' : ` if ${given.named} is 1`}`,
      blankCure(task.type === 'classification'),
    );
    this.#violation = new BadValue(
      `${given?.named} to be 1 if ${name} is 1`,
      given &&
        `correct the row, or set given: { label: ${given.named}, violations: skip } (excludes the row) or keep ` +
          'for the task',
    );
    this.#reasonMissing = `${name} is missing`;
    this.#reasonViolation = violationReason(task);
  }

  /** Returns whether `settle` would keep all these rows as they are. */
  keepsAll(begin: number, end: number): boolean {
    if (!this.#isZeroSettled) return false;
    const own = this.#own;
    const given = this.#violations === 'keep' ? undefined : this.#given;
    for (let row = begin; row < end; row++) {
      const value = own[row]!;
      if (value !== 0 && (Number.isNaN(value) || (value === 1 && given !== undefined && given[row] !== 1)))
        return false;
    }
    return true;
  }

  /**
   * Checks the label of a row and writes its masks.
   * @returns the reason if the row is excluded
   * @throws InvalidValueError
   */
  settle(row: number): string | undefined {
    const value = this.#own[row]!;
    if (value === 0 && this.#isZeroSettled) return undefined;
    const given = this.#givenAt(row);
    const isMissing = Number.isNaN(value);
    if (isMissing) {
      if (given === 1 && this.#onMissing === 'error') throw this.#missing;
      if (given === 1 && this.#onMissing === 'drop') return this.#reasonMissing;
    } else if (value === 1 && this.#violations !== 'keep' && given !== undefined && given !== 1) {
      if (this.#violations === 'skip') return this.#reasonViolation;
      throw this.#violation;
    } else this.#check?.(value);
    if (this.#known !== undefined) this.#known[row] = isMissing ? 0 : 1;
    if (this.#mask !== undefined) this.#mask[row] = given === 1 && !isMissing ? 1 : 0;
    if (this.#chainKnown !== undefined) this.#chainKnown[row] = isDecided(this.#chain, row) ? 1 : 0;
    return undefined;
  }

  /** Returns the parent label: 1 without a parent, undefined if unknown. */
  #givenAt(row: number): number | undefined {
    if (this.#given === undefined) return 1;
    const value = this.#given[row]!;
    return Number.isNaN(value) ? (this.#isGivenKnown ? 0 : undefined) : value;
  }
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
