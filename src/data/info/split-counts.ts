import { column, type Batch } from '../../core/batch.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import { createCleaner, type Clean } from '../../features/cells.js';
import { takesLists } from '../../features/kinds/kinds.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { taskColumns, type Task } from '../../core/tasks.js';
import type { LabelSums } from './leak.js';
import { createDistinctNumbers, type DistinctNumbers } from './distinct-numbers.js';
import { createTally, type Tally } from './tally.js';
import { createVectorTally, type VectorTally } from './vector-tally.js';

/** What is counted of the rows of a split. */
export interface SplitCounts {
  readonly rows: number;
  /**
   * By field: its ids, the items of its bags, or its numbers in bins; with two sums a classification, `taskSums` says
   * which.
   */
  readonly tallies: ReadonlyMap<string, Tally>;
  /** By field of one number a row: its different numbers, as the model gets them. */
  readonly numbers: ReadonlyMap<string, DistinctNumbers>;
  /** By field of vectors. */
  readonly vectors: ReadonlyMap<string, VectorTally>;
  /** By field of one column: rows with nothing in it, or a word for that. */
  readonly blanks: ReadonlyMap<string, number>;
  readonly tasks: ReadonlyMap<string, TaskCounts>;
}

/** The rows that a task is trained and measured on. */
export interface TaskCounts {
  readonly rows: number;
  /** Of its labels. */
  readonly sum: number;
}

/** Counts that go on. */
export interface SplitCounter {
  readonly counts: SplitCounts;
  add(rows: EncodedBatch): void;
}

/** The classifications of a format, in the order of their sums. */
export function classifications({ spec }: EncodedFormat): readonly Task[] {
  return spec.tasks.filter(({ type }) => type === 'classification');
}

/** Where the sums of the classification with this number stand. */
export function taskSums(number: number): LabelSums {
  return { rows: 2 * number, positives: 2 * number + 1 };
}

/** Tallies of fields that go on. */
export interface FieldTallies {
  /** By field that is no vector, as in `SplitCounts`. */
  readonly tallies: ReadonlyMap<string, Tally>;
  add(batch: Batch): void;
}

/** Counts the values of all fields but vectors as their rows pass, with the labels of classifications. */
export function createFieldTallies(format: EncodedFormat): FieldTallies {
  const { tasks } = format.spec;
  const classes = classifications(format).map((task) => taskColumns(task, tasks));
  const tallies = new Map(
    format.fields.flatMap(({ name, kind }) =>
      kind === 'vector' ? [] : [[name, createTally(kind === 'bag' ? 0 : 2 * classes.length)]],
    ),
  );
  const amounts = new Array<number>(2 * classes.length).fill(0);
  return {
    tallies,
    add(batch) {
      for (let r = 0; r < batch.rows; r++) {
        for (const [c, { label, mask }] of classes.entries()) {
          const isMeasured = mask === undefined || batch.labels.get(mask)![r] === 1;
          amounts[2 * c] = isMeasured ? 1 : 0;
          amounts[2 * c + 1] = isMeasured ? batch.labels.get(label)![r]! : 0;
        }
        for (const [name, tally] of tallies) tallyRow(batch, name, r, tally, amounts);
      }
    },
  };
}

/**
 * Counts the rows of a split as they pass.
 * @param columns that pass as they are, in the order in which they do
 */
export function createSplitCounter(format: EncodedFormat, columns: readonly string[]): SplitCounter {
  const { tasks } = format.spec;
  const { tallies, add: tally } = createFieldTallies(format);
  const vectors = new Map(
    format.fields.flatMap(({ name, vectorRule }) =>
      vectorRule === undefined ? [] : [[name, createVectorTally(vectorRule.length)] as const],
    ),
  );
  const distinct = new Map(
    format.fields.flatMap(({ name, kind }) => (kind === 'number' ? [[name, createDistinctNumbers()] as const] : [])),
  );
  const blanks = new Map<string, number>();
  const cellReaders = format.fields
    .filter((field) => field.columns.length === 1)
    .map((field) => ({
      name: field.name,
      column: columns.indexOf(field.columns[0]!),
      isBlank: blankTest(takesLists(field), createCleaner(field.cells ?? {})),
    }));
  const taskCounts = new Map(tasks.map((task) => [task.name, { ...taskColumns(task, tasks), rows: 0, sum: 0 }]));
  let rows = 0;
  return {
    counts: {
      get rows() {
        return rows;
      },
      tallies,
      numbers: distinct,
      vectors,
      blanks,
      tasks: taskCounts,
    },
    add({ batch, kept, skipped }) {
      rows += batch.rows;
      for (const counts of taskCounts.values()) countTask(batch, counts);
      for (const { name, column, isBlank } of cellReaders)
        blanks.set(name, (blanks.get(name) ?? 0) + countBlanks(kept[column]!, skipped, isBlank));
      for (const [name, own] of vectors) own.add(column(batch.vectors!, name), batch.rows);
      for (const [name, seen] of distinct) seen.add(batch.numbers.get(name), batch.rows);
      tally(batch);
    },
  };
}

function countTask(
  { rows, labels }: Batch,
  counts: { readonly label: string; readonly mask: string | undefined; rows: number; sum: number },
): void {
  const values = column(labels, counts.label);
  const mask = counts.mask === undefined ? undefined : column(labels, counts.mask);
  for (let r = 0; r < rows; r++) {
    if (mask !== undefined && mask[r] !== 1) continue;
    counts.rows++;
    counts.sum += values[r]!;
  }
}

/** Whether there is nothing in a cell; a list may have no items. */
function blankTest(isList: boolean, clean: Clean = (cell) => cell): (cell: string) => boolean {
  return (cell) => clean(cell) === '' || (isList && cell === '[]');
}

/** Blank cells of the rows that were read. */
function countBlanks(cells: readonly string[], skipped: readonly number[], isBlank: (cell: string) => boolean): number {
  const isSkipped = new Set(skipped.map((before, i) => before + i));
  return cells.reduce((sum, cell, i) => (isBlank(cell) && !isSkipped.has(i) ? sum + 1 : sum), 0);
}

function tallyRow(
  { ids, numbers, bags }: Batch,
  name: string,
  r: number,
  tally: Tally,
  amounts: readonly number[],
): void {
  const bag = bags.get(name);
  if (bag !== undefined) for (let i = bag.offsets[r]!; i < bag.offsets[r + 1]!; i++) tally.add(bag.ids[i]!);
  else tally.add(ids.get(name)?.[r] ?? binOf(numbers.get(name)![r]!), amounts);
}

const word = new DataView(new ArrayBuffer(4));

/**
 * The bin of a number: its sign, its power of two, and a sixteenth of that, so that bins are as fine as numbers are
 * small.
 */
function binOf(value: number): number {
  word.setFloat32(0, value);
  return word.getUint32(0) >>> 19;
}
