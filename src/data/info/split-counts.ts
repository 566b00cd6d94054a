import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { taskColumns, type Task } from '../../core/tasks.js';
import { createCleaner } from '../../features/cells.js';
import { holdsNumbers, listStorage, takesLists } from '../../features/kinds/kinds.js';
import { visitLabels } from '../batches/label-facts.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { LengthCounts } from './sequence-lengths.js';
import { computeBin, DistinctNumbers, Tally, VectorTally } from './tally.js';

/** Returns the classifications of a format, in the order of their sums. */
export function classifications({ spec }: EncodedFormat): readonly Task[] {
  return spec.tasks.filter(({ type }) => type === 'classification');
}

/** Tallies of the values of all fields but vectors, with the labels of classifications. */
export class FieldTallies {
  /**
   * Tallies of ids, bag items, or binned numbers. Classification `t` has the sums `2 * t` (rows) and `2 * t + 1`
   * (positives); bags have none.
   */
  readonly byField: ReadonlyMap<string, Tally>;
  /** Fields whose values are numbers; numbers of lists are stored as weights. */
  readonly #numbers: ReadonlySet<string>;
  readonly #classes: readonly ReturnType<typeof taskColumns>[];

  constructor(format: EncodedFormat) {
    this.#classes = classifications(format).map((task) => taskColumns(task, format.spec.tasks));
    const fields = format.fields.filter((field) => listStorage(field) !== 'vector');
    const numSums = 2 * this.#classes.length;
    this.byField = new Map(fields.map((field) => [field.name, new Tally(listStorage(field) === 'bag' ? 0 : numSums)]));
    this.#numbers = new Set(fields.filter(holdsNumbers).map(({ name }) => name));
  }

  add(batch: Batch): void {
    const classes = this.#classes.map(({ label, mask }) => ({
      values: column(batch, label, 'f32').data,
      mask: mask === undefined ? undefined : column(batch, mask, 'f32').data,
    }));
    const amounts = new Array<number>(2 * classes.length).fill(0);
    for (let r = 0; r < batch.rows; r++) {
      for (const [c, { values, mask }] of classes.entries()) {
        const isMeasured = mask === undefined || mask[r] === 1;
        amounts[2 * c] = isMeasured ? 1 : 0;
        amounts[2 * c + 1] = isMeasured ? values[r]! : 0;
      }
      for (const [name, tally] of this.byField) {
        const field = batch.columns.get(name)!;
        if (field.type === 'list') addItems(tally, field, r, this.#numbers.has(name));
        else tally.add(field.type === 'u32' ? field.data[r]! : computeBin(field.data[r]!), amounts);
      }
    }
  }
}

/** Adds the items of a row. */
function addItems(tally: Tally, { offsets, ids, weights }: BagColumn, row: number, areNumbers: boolean): void {
  for (let i = offsets[row]!; i < offsets[row + 1]!; i++) tally.add(areNumbers ? computeBin(weights[i]!) : ids[i]!);
}

/** Rows of a task, and the sum of their labels. */
interface TaskCounts {
  readonly task: Task;
  rows: number;
  sum: number;
}

/** Counts of the rows of a split. */
export class SplitCounts {
  rows = 0;
  /** Distinct encoded numbers, by field of numbers. */
  readonly numbers: ReadonlyMap<string, DistinctNumbers>;
  /** Statistics of vectors, by field. */
  readonly vectors: ReadonlyMap<string, VectorTally>;
  /** Missing values, by field of one column. */
  readonly nulls = new Map<string, number>();
  readonly lengths: LengthCounts;
  readonly tasks: ReadonlyMap<string, TaskCounts>;
  readonly #tallies: FieldTallies;
  /** Fields of one column, the index of its texts, and whether a text is missing. */
  readonly #texts: readonly { readonly name: string; readonly index: number; isNull(text: string): boolean }[];

  /** @param columns columns whose texts are passed with the rows, in order */
  constructor(format: EncodedFormat, columns: readonly string[]) {
    const { fields, spec } = format;
    this.#tallies = new FieldTallies(format);
    this.numbers = new Map(fields.filter(holdsNumbers).map(({ name }) => [name, new DistinctNumbers()]));
    this.vectors = new Map(
      fields.flatMap(({ name, vector }) => (vector ? [[name, new VectorTally(vector.rule.length)] as const] : [])),
    );
    this.lengths = new LengthCounts(fields);
    this.tasks = new Map(spec.tasks.map((task) => [task.name, { task, rows: 0, sum: 0 }]));
    this.#texts = fields
      .filter(({ columns: own, computed }) => own.length === 1 && computed === undefined)
      .map((field) => {
        const clean = createCleaner(field.cells ?? {}) ?? ((text: string) => text);
        const isNull = (text: string): boolean => clean(text) === '' || (takesLists(field) && text === '[]');
        return { name: field.name, index: columns.indexOf(field.columns[0]!), isNull };
      });
  }

  /** Tallies of the values, by field that is not a vector. */
  get tallies(): ReadonlyMap<string, Tally> {
    return this.#tallies.byField;
  }

  add({ batch, kept, skipped }: EncodedBatch): void {
    this.rows += batch.rows;
    const tasks = [...this.tasks.values()].map(({ task }) => task);
    for (const counts of this.tasks.values())
      counts.rows += visitLabels(batch, counts.task, tasks, (label) => (counts.sum += label));
    const isSkipped = new Set(skipped.map((before, i) => before + i));
    for (const { name, index, isNull } of this.#texts) {
      const numNull = kept[index]!.filter((text, i) => isNull(text) && !isSkipped.has(i)).length;
      this.nulls.set(name, (this.nulls.get(name) ?? 0) + numNull);
    }
    for (const [name, vectors] of this.vectors) vectors.add(column(batch, name, 'f32'), batch.rows);
    for (const [name, numbers] of this.numbers) numbers.add(...numbersOf(batch, name));
    this.lengths.add(batch);
    this.#tallies.add(batch);
  }
}

/** Returns the numbers of a field, one per row or per item, and how many there are. */
function numbersOf(batch: Batch, name: string): readonly [values: Float32Array, count: number] {
  const found = batch.columns.get(name);
  if (found?.type === 'list') return [found.weights, found.offsets[batch.rows]!];
  return [column(batch, name, 'f32').data, batch.rows];
}
