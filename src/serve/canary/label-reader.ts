import { ChunkRows, type Chunk } from '../../chunks/chunk.js';
import { createRowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import { quoted, UserError, type Problem } from '../../core/errors.js';
import type { Task } from '../../core/tasks.js';
import type { DialectOptions } from '../../data/dialect.js';
import { columnKey, presentColumn, rowsOfObjects, suggestColumn, type Row } from '../../data/objects/given-rows.js';
import { labelReaders } from '../../data/rows/label-columns.js';
import { startLabelRule, type LabelRule } from '../../data/rows/label-rule.js';
import { labelStorage, createRowFormat, type RowFormat } from '../../data/rows/row-format.js';
import type { CellOptions } from '../../features/cells.js';
import type { ReadColumns } from '../../features/kinds/kind.js';

/** Labels of rows, and masks of the rows on which tasks are measured. */
export interface ReadLabels {
  readonly labels: Batch;
  /** Whether a rule of a task excludes a row. */
  isExcluded(row: number): boolean;
}

/**
 * Reads the labels of rows that a server has predicted, as the labels of a file are read: conditions, missing values
 * and masks.
 */
export class LabelReader {
  readonly #format: RowFormat;
  readonly #decimal: DialectOptions['decimal'];
  readonly #readers: readonly ReadColumns[];
  readonly #rule: LabelRule;
  readonly #columns: readonly string[];

  /** @param tasks without delays, weights and teachers, which rows of a server do not have */
  constructor(tasks: readonly Task[], { decimal, ...cells }: CellOptions & Pick<DialectOptions, 'decimal'>) {
    this.#format = createRowFormat({ tasks, groups: [], cells });
    this.#decimal = decimal;
    this.#readers = labelReaders(this.#format.labels).readers;
    this.#rule = startLabelRule(tasks);
    this.#columns = [...new Set(this.#format.labels.flatMap(({ columns }) => columns))];
  }

  /** Label columns, and whether each is a class; masks are classes. */
  get stored(): readonly { readonly name: string; readonly isClass: boolean }[] {
    const { labels, masks } = this.#format;
    return [
      ...labels.map(({ name, type }) => ({ name, isClass: type === 'class' })),
      ...masks.map((name) => ({ name, isClass: true })),
    ];
  }

  /**
   * Reads labels.
   * @param placeOf returns the location of a row in problems
   * @throws UserError (data) with all invalid rows
   */
  read(given: readonly Row[], placeOf: (row: number) => string): ReadLabels {
    const objects = rowsOfObjects(given, 'oov', 'labels');
    const columns = new Map(this.#columns.map((name) => [name, presentColumn(objects, name, this.#decimal)]));
    const chunk: Chunk = { rows: given.length, numLines: given.length, columns, cellsOf: () => [] };
    const rows = new ChunkRows(chunk);
    const block = createRowBlock(labelStorage(this.#format), given.length);
    for (const read of this.#readers) read(rows, block);
    this.#rule(rows, block);
    const problems = rows.problems().map(([row, { columns: wrong = [], error }]): Problem => {
      const names = Object.keys(given[row]!);
      const meant = wrong[0] === undefined ? undefined : suggestColumn(wrong[0], names, new Set(this.#columns));
      const found = wrong.map((name) => quoted(given[row]![name])).join(', ');
      return {
        where: placeOf(row),
        ...(wrong.length > 0 && { key: columnKey(wrong) }),
        message: `expected ${error.expected}${wrong.length > 0 ? `, found ${found}` : ''}`,
        fix: meant ?? `send the labels ${this.#columns.join(', ')} of each row`,
      };
    });
    if (problems.length > 0) throw new UserError('data', problems);
    return { labels: block, isExcluded: (row) => !rows.isKept(row) };
  }
}
