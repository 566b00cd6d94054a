import { ChunkRows, type Chunk } from '../../chunks/chunk.js';
import {
  countZeros,
  createRowBlock,
  hasWords,
  reserveRows,
  wordColumn,
  type RowBlock,
} from '../../chunks/row-block.js';
import { column, readIds, type Batch } from '../../core/batch.js';
import { hasTable, type EncodedField } from '../../features/feature.js';
import { fieldColumn, fieldReader } from '../../features/kinds/kinds.js';
import type { DialectOptions } from '../dialect.js';
import { ABSENT, type GivenRows } from './given-rows.js';
import { RowProblems } from './row-problems.js';
import { ValueColumn } from './value-column.js';

/** Counts of the values of a column that a model replaces. */
export interface ValueCounts {
  /** Null, empty or absent values. */
  readonly nulls: number;
  /** Values with the out-of-vocabulary id, in bags the items; 0 for columns without a vocabulary. */
  readonly oov: number;
}

/** Counts by column, only of columns with any. */
export type CountsByColumn = ReadonlyMap<string, ValueCounts>;

/** Reading of some rows. */
export interface ObjectReading {
  /** Encodes the rows; a batch is valid until the next one. Invalid values have id 0, number 0 or an empty bag. */
  readonly batches: Iterable<{ readonly batch: Batch; readonly begin: number }>;
  /** Problems of the batches so far. */
  readonly problems: RowProblems;
  /** Counts of the batches so far. */
  readonly counts: CountsByColumn;
}

/** Maximum number of rows of a batch. */
const BATCH_ROWS = 4096;

/** Encodes rows of a program as rows of a file with the same values. Its memory is reused by the next rows. */
export class ObjectReader {
  readonly #fields: readonly EncodedField[];
  /** Columns of all fields. */
  readonly #read: ReadonlySet<string>;
  readonly #storage;
  readonly #readers;
  readonly #block: RowBlock;
  readonly #columns: ReadonlyMap<string, ValueColumn>;
  /** Fields whose out-of-vocabulary ids are counted, with their index, by column. */
  readonly #counted: ReadonlyMap<string, readonly [f: number, field: EncodedField]>;

  /**
   * @param decimal separator in strings; default: a dot
   * @param allFields fields of the rows, if others are read elsewhere: no suggestion names their columns
   */
  constructor(fields: readonly EncodedField[], decimal?: DialectOptions['decimal'], allFields = fields) {
    this.#fields = fields;
    this.#read = new Set(allFields.flatMap(({ columns }) => columns));
    this.#storage = fields.map(fieldColumn);
    this.#readers = fields.map(fieldReader);
    this.#block = createRowBlock(this.#storage, 0);
    this.#columns = new Map(fields.flatMap(({ columns }) => columns.map((name) => [name, new ValueColumn(decimal)])));
    const counted = [...fields.entries()].filter(([, field]) => hasVocabulary(field));
    // The first field of a column is counted.
    this.#counted = new Map(counted.reverse().map((each) => [each[1].columns[0]!, each]));
  }

  read(given: GivenRows): ObjectReading {
    const problems = new RowProblems(this.#fields, given, this.#read);
    const counts = new Map<string, ValueCounts>();
    return { batches: this.#encode(given, problems, counts), problems, counts };
  }

  *#encode(
    given: GivenRows,
    problems: RowProblems,
    counts: Map<string, ValueCounts>,
  ): Generator<{ readonly batch: Batch; readonly begin: number }> {
    for (let begin = 0; begin < given.count; begin += BATCH_ROWS) {
      const rows = Math.min(BATCH_ROWS, given.count - begin);
      for (const [name, values] of this.#columns) values.read(valuesOf(given, name, problems), begin, rows);
      this.#block.rows = 0;
      reserveRows(this.#block, this.#storage, rows);
      const invalid = this.#encodeFields(rows, begin, problems);
      this.#block.rows = rows;
      this.#clearSequences(invalid);
      for (const [name, values] of this.#columns) {
        const [f, field] = this.#counted.get(name) ?? [];
        const oov = field && countOov(this.#block, field, values.numMissing, invalid[f!]!.length);
        addCounts(counts, name, values.numMissing, oov ?? 0);
        values.release();
      }
      yield { batch: this.#block, begin };
    }
  }

  /** Empties all lists of a sequence in the rows in which one of them is invalid, since its items are aligned. */
  #clearSequences(invalid: readonly (readonly number[])[]): void {
    const cleared = new Map<string, Set<number>>();
    for (const [f, field] of this.#fields.entries()) {
      if (!('sequence' in field) || invalid[f]!.length === 0) continue;
      const { name } = field.sequence;
      cleared.set(name, new Set([...(cleared.get(name) ?? []), ...invalid[f]!]));
    }
    for (const field of cleared.size === 0 ? [] : this.#fields) {
      const rows = 'sequence' in field ? cleared.get(field.sequence.name) : undefined;
      if (rows !== undefined) column(this.#block, field.name, 'list').clearRows(rows, this.#block.rows);
    }
  }

  /** Encodes all fields; returns the rows in which each is invalid. Problems of all fields of a row are reported. */
  #encodeFields(count: number, begin: number, problems: RowProblems): readonly (readonly number[])[] {
    const chunk: Chunk = { rows: count, numLines: count, columns: this.#columns, cellsOf: () => [] };
    let rows = new ChunkRows(chunk);
    return this.#fields.map((_, f) => {
      this.#readers[f]!(rows, this.#block);
      if (rows.numKept === count) return NO_ROWS;
      const refused = rows.problems();
      // Other fields read these rows, too.
      rows = new ChunkRows(chunk);
      for (const [row, problem] of refused) {
        this.#clear(f, row);
        problems.addInvalid(begin + row, this.#fields[f]!, problem);
      }
      return refused.map(([row]) => row);
    });
  }

  /** Clears an invalid value of a field. */
  #clear(f: number, row: number): void {
    const storage = this.#storage[f]!;
    if (hasWords(storage)) {
      const { data, width } = wordColumn(this.#block, storage);
      data.fill(0, row * width, (row + 1) * width);
    }
  }
}

const NO_ROWS: readonly number[] = [];

/** Returns the values of a column, undefined for rows that lack it, which are reported. */
function valuesOf(given: GivenRows, name: string, problems: RowProblems): (row: number) => unknown {
  const valueAt = given.valuesOf(name);
  return (row) => {
    const value = valueAt(row);
    if (value !== ABSENT) return value;
    problems.addAbsent(row, name);
    return undefined;
  };
}

function addCounts(counts: Map<string, ValueCounts>, name: string, nulls: number, oov: number): void {
  const before = counts.get(name) ?? { nulls: 0, oov: 0 };
  if (nulls + oov > 0) counts.set(name, { nulls: before.nulls + nulls, oov: before.oov + oov });
}

/** Returns whether id 0 of a field is its out-of-vocabulary id, and it reads one column. */
function hasVocabulary(field: EncodedField): boolean {
  const { columns, computed, rule } = field;
  return (
    columns.length === 1 && computed === undefined && hasTable(field) && (rule?.kind === 'text' || rule?.kind === 'id')
  );
}

/**
 * Counts the out-of-vocabulary ids of a batch; missing and invalid values do not count.
 * @param numInvalid number of the field's invalid values
 */
function countOov(batch: Batch, { name, rule }: EncodedField, numNull: number, numInvalid: number): number {
  const { ids, count } = readIds(batch, name);
  const numZeros = countZeros(ids, count);
  if (batch.columns.get(name)!.type === 'list') return numZeros;
  return numZeros - numInvalid - (rule?.empty === 0 ? numNull : 0);
}
