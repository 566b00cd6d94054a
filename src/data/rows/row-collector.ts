import type { Chunk, ChunkRows } from '../../chunks/chunk.js';
import type { TypedValue } from '../../chunks/column.js';
import { compactRows, createRowBlock, reserveRows, type BlockColumn, type RowBlock } from '../../chunks/row-block.js';
import type { Batch } from '../../core/batch.js';
import type { KeyTexts } from '../../core/row-key.js';
import type { Field } from '../../features/feature.js';
import type { ReadColumns } from '../../features/kinds/kind.js';
import { fieldReader, isCompared } from '../../features/kinds/kinds.js';
import { parseText } from '../../features/parse.js';
import type { FileColumns } from '../readers/cell-file.js';
import { eventReaders } from './event-columns.js';
import { createKeyReaders, type KeyReaders } from './key-readers.js';
import { labelReaders } from './label-columns.js';
import { countLeftOut, type BadRow } from './rejects.js';
import { storedColumns, type EncodedFormat, type RowFormat } from './row-format.js';
import { invalidRows, RowReader } from './row-reader.js';

/** Encoded rows, with the texts and problems of all rows. */
export interface EncodedBatch {
  /** Valid until the next rows are encoded. */
  readonly batch: Batch;
  /** Rows of the batch before which another file begins, in order. */
  readonly begins: readonly number[];
  /** By kept column: the texts of all rows, including those that are not in the batch. */
  readonly kept: readonly (readonly string[])[];
  /** By kept column: the values of the same rows in the type of their file. Empty unless they were requested. */
  readonly typed: readonly (readonly TypedValue[])[];
  /** For each row that is not in the batch, in order: the number of rows of the batch before it. */
  readonly skipped: readonly number[];
  readonly rejects: readonly BadRow[];
  readonly leftOut: ReadonlyMap<string, number>;
  readonly keyTexts: ReadonlyMap<string, KeyTexts>;
}

/** Columns whose values are kept. */
export interface KeptColumns {
  readonly names: readonly string[];
  /** Whether values are also kept in the type of their file. Default: false. */
  readonly areTyped?: boolean | undefined;
}

/** Columns that are computed of the rows that are valid otherwise. */
export interface LateColumns {
  /** Computes the columns of a chunk. Rows for which this is not possible are refused. */
  readonly read: ReadColumns;
  /** Whether a field reads any of them. */
  isReadBy(field: Pick<Field, 'columns'>): boolean;
}

/** Readers and storage of a collector. */
export interface RowCollection {
  readonly format: RowFormat;
  /** Columns of the block. */
  readonly columns: readonly BlockColumn[];
  /** Readers in the order in which the problems of a row count. */
  readonly readers: readonly ReadColumns[];
  /** Readers of the rows that are valid otherwise. */
  readonly late?: readonly ReadColumns[];
  /** Block that the readers write to, and its columns, if it is another one. */
  readonly checked?: { readonly block: RowBlock; readonly columns: readonly BlockColumn[] };
  /** Write the kept rows to the block, if the readers write to another one. */
  readonly writers?: readonly ReadColumns[];
  readonly keys?: KeyReaders;
  readonly kept?: KeptColumns;
}

/** Collects the rows of chunks in a block, without those that are invalid or excluded. */
export class RowCollector {
  readonly columns: readonly BlockColumn[];
  #file: FileColumns;
  readonly #of: RowCollection;
  readonly #reader: RowReader;
  readonly #block: RowBlock;
  /** All but the rows since the last `take`. */
  #notes: ReturnType<typeof startNotes>;
  #order = new Uint32Array(0);

  constructor(file: FileColumns, of: RowCollection) {
    this.columns = of.columns;
    this.#file = file;
    this.#of = of;
    this.#reader = new RowReader(of.format, of.readers, of.late);
    this.#block = createRowBlock(this.columns, 0);
    this.#notes = startNotes(of);
  }

  /** Number of rows that were added since the last `take`. */
  get rows(): number {
    return this.#block.rows;
  }

  /** Invalid rows since the last `take`. */
  get rejects(): readonly BadRow[] {
    return this.#notes.rejects;
  }

  /** Appends the rows of another file from now on. */
  startFile(file: FileColumns): void {
    this.#file = file;
    this.#notes.begins.push(this.rows);
  }

  /**
   * Appends the rows of a chunk.
   * @param line number of its first line
   */
  add(chunk: Chunk, line: number): void {
    const block = this.#block;
    reserveRows(block, this.columns, block.rows + chunk.rows);
    const { checked, writers = [] } = this.#of;
    if (checked !== undefined) reserveRows(checked.block, checked.columns, chunk.rows);
    const rows = this.#reader.read(chunk, this.#file, checked?.block ?? block, line);
    if (chunk.rows > 0) for (const write of writers) write(rows, block);
    this.#keepValues(rows, chunk);
    if (rows.numKept < rows.count || (chunk.invalid ?? []).length > 0) this.#noteOthers(rows, chunk, line);
    if (rows.numKept < rows.count) {
      if (this.#order.length < chunk.rows) this.#order = new Uint32Array(2 * chunk.rows);
      compactRows(block, this.columns, block.rows, this.#order, rows.listKept(this.#order));
    }
    block.rows += rows.numKept;
  }

  /** Returns the rows since the last call; their memory is reused by the next chunk. */
  take(): EncodedBatch {
    const keyTexts = this.#of.keys?.takeTexts() ?? new Map<string, KeyTexts>();
    const taken = { batch: { ...this.#block }, ...this.#notes, keyTexts };
    this.#block.rows = 0;
    this.#notes = startNotes(this.#of);
    return taken;
  }

  /** Notes invalid rows, and counts excluded ones. */
  #noteOthers(rows: ChunkRows, chunk: Chunk, line: number): void {
    const { leftOut, rejects, skipped } = this.#notes;
    countLeftOut(leftOut, rows.excluded);
    for (const bad of invalidRows(rows, chunk, this.#file, line)) rejects.push(bad);
    const { invalid = [] } = chunk;
    let [before, next] = [this.#block.rows, 0];
    for (let row = 0; row <= rows.count; row++) {
      for (; invalid[next]?.before === row; next++) skipped.push(before);
      if (row === rows.count || rows.isExcluded(row)) continue;
      if (rows.isKept(row)) before++;
      else skipped.push(before);
    }
  }

  /**
   * Keeps the values of all rows that are not excluded; a line that is not a row has only the values of directory
   * names.
   */
  #keepValues(rows: ChunkRows, { invalid = [] }: Chunk): void {
    for (const [c, name] of (this.#of.kept?.names ?? []).entries()) {
      const column = rows.count > 0 ? rows.column(name) : undefined;
      const texts = this.#notes.kept[c]!;
      const typed = this.#notes.typed[c];
      const keep = (text: string, value: TypedValue = text === '' ? null : text): void => {
        texts.push(text);
        typed?.push(value);
      };
      let next = 0;
      for (let row = 0; row <= rows.count; row++) {
        for (; invalid[next]?.before === row; next++) keep(this.#file.constants?.get(name) ?? '');
        if (row < rows.count && !rows.isExcluded(row)) keep(column!.text(row), typed && column!.value?.(row));
      }
    }
  }
}

function startNotes({ kept: { names, areTyped = false } = { names: [] } }: RowCollection) {
  return {
    begins: [] as number[],
    kept: names.map((): string[] => []),
    typed: (areTyped ? names : []).map((): TypedValue[] => []),
    skipped: [] as number[],
    rejects: [] as BadRow[],
    leftOut: new Map<string, number>(),
  };
}

/**
 * Creates a collector of encoded rows.
 * @param first readers before all others
 * @param last columns that are computed of the rows that are valid otherwise
 */
export function rowEncoder(
  file: FileColumns,
  format: EncodedFormat,
  kept: KeptColumns = { names: [] },
  first: readonly ReadColumns[] = [],
  last: readonly LateColumns[] = [],
): RowCollector {
  const keys = createKeyReaders(format.keys, format.spec.cells);
  const labels = labelReaders(format.labels);
  const own = format.fields.filter((field) => !last.some((each) => each.isReadBy(field)));
  const readersOf = (isLate: boolean): readonly ReadColumns[] =>
    own.filter((field) => field.logged === undefined && isCompared(field) === isLate).map(fieldReader);
  const others = format.fields.filter((field) => !own.includes(field)).map(fieldReader);
  return new RowCollector(file, {
    format,
    columns: storedColumns(format),
    readers: [
      ...first,
      ...labels.readers,
      ...readersOf(false),
      ...eventReaders(format.fields, format.spec.cells),
      ...keys.readers,
      ...kept.names.map(textCheck),
    ],
    late: [...readersOf(true), ...labels.late, ...last.map(({ read }) => read), ...others],
    keys,
    kept,
  });
}

/** Refuses values of a kept column that are not UTF-8. */
function textCheck(name: string): ReadColumns {
  return (rows) => {
    const column = rows.column(name);
    rows.eachKept([name], (row) => void parseText(column.text(row)));
  };
}
