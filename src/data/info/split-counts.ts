import { column, type Batch } from '../../core/batch.js';
import type { EncodedField } from '../../features/feature.js';
import { taskColumns, type Task } from '../../core/tasks.js';
import { createCleaner } from '../../features/cells.js';
import { listStorage, takesLists } from '../../features/kinds/kinds.js';
import { visitLabels } from '../batches/label-facts.js';
import type { EncodedBatch } from '../rows/row-collector.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { binOf, DistinctNumbers, Tally, VectorTally } from './tally.js';

/** Returns the classifications of a format, in the order of their sums. */
export function classifications({ spec }: EncodedFormat): readonly Task[] {
  return spec.tasks.filter(({ type }) => type === 'classification');
}

/** Returns whether a field is a number, or a number per item. */
function isNumbers({ kind }: EncodedField): boolean {
  return kind === 'number' || kind === 'itemNumber';
}

/** Tallies of the values of all fields but vectors, with the labels of classifications. */
export class FieldTallies {
  /**
   * Tallies of ids, items, or binned numbers. Classification `t` has the sums `2 * t` (rows) and `2 * t + 1`
   * (positives); lists have none.
   */
  readonly byField: ReadonlyMap<string, Tally>;
  readonly #classes: readonly ReturnType<typeof taskColumns>[];
  readonly #numbers: ReadonlySet<string>;

  constructor(format: EncodedFormat) {
    this.#classes = classifications(format).map((task) => taskColumns(task, format.spec.tasks));
    const fields = format.fields.filter(({ kind }) => kind !== 'vector');
    const numSums = 2 * this.#classes.length;
    this.byField = new Map(
      fields.map((field) => [field.name, new Tally(listStorage(field) === undefined ? numSums : 0)]),
    );
    this.#numbers = new Set(fields.filter(isNumbers).map(({ name }) => name));
  }

  add({ rows, labels, ids, numbers, bags }: Batch): void {
    const classes = this.#classes.map(({ label, mask }) => ({
      values: column(labels, label),
      mask: mask === undefined ? undefined : column(labels, mask),
    }));
    const amounts = new Array<number>(2 * classes.length).fill(0);
    for (let r = 0; r < rows; r++) {
      for (const [c, { values, mask }] of classes.entries()) {
        const isMeasured = mask === undefined || mask[r] === 1;
        amounts[2 * c] = isMeasured ? 1 : 0;
        amounts[2 * c + 1] = isMeasured ? values[r]! : 0;
      }
      for (const [name, tally] of this.byField) {
        const bag = bags.get(name);
        if (bag !== undefined) {
          const isNumbers = this.#numbers.has(name);
          for (let i = bag.offsets[r]!; i < bag.offsets[r + 1]!; i++)
            tally.add(isNumbers ? binOf(bag.weights[i]!) : bag.ids[i]!);
        } else tally.add(ids.get(name)?.[r] ?? binOf(numbers.get(name)![r]!), amounts);
      }
    }
  }
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
  /** Counts by task. */
  readonly tasks: ReadonlyMap<string, TaskCounts>;
  readonly #tallies: FieldTallies;
  /** Fields of one column, the index of its texts, and whether a text is missing. */
  readonly #texts: readonly { readonly name: string; readonly index: number; isNull(text: string): boolean }[];

  /** @param columns columns whose texts are passed with the rows, in order */
  constructor(format: EncodedFormat, columns: readonly string[]) {
    const { fields, spec } = format;
    this.#tallies = new FieldTallies(format);
    this.numbers = new Map(fields.filter(isNumbers).map(({ name }) => [name, new DistinctNumbers()]));
    this.vectors = new Map(
      fields.flatMap(({ name, vectorRule: rule }) => (rule ? [[name, new VectorTally(rule.length)] as const] : [])),
    );
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
    for (const [name, vectors] of this.vectors) vectors.add(column(batch.vectors!, name), batch.rows);
    for (const [name, numbers] of this.numbers) {
      const items = batch.bags.get(name);
      if (items === undefined) numbers.add(column(batch.numbers, name), batch.rows);
      else {
        const all = items.weights.subarray(items.offsets[0], items.offsets[batch.rows]);
        numbers.add(all, all.length);
      }
    }
    this.#tallies.add(batch);
  }
}
