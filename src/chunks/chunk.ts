import { InvalidValueError } from '../text/invalid-value.js';
import type { Column, ItemForm, Utf8 } from './column.js';

/** Some rows of a file as columns. Its memory is valid until the next chunk. */
export interface Chunk {
  readonly rows: number;
  readonly columns: ReadonlyMap<string, Column>;
  /** Line of each row, counted from the line after the previous chunk; default: each row is one line. */
  readonly lines?: ArrayLike<number>;
  /** Number of lines of the chunk, including blank and invalid ones. */
  readonly numLines: number;
  /** Lines that are not rows. */
  readonly invalid?: readonly InvalidLine[];
  /** Returns the names of all columns of its first row, if rows of a file may have other ones. */
  readonly firstNames?: () => readonly string[];
  /** Returns the texts of all columns of the file, for reports of invalid rows. */
  cellsOf(row: number): readonly string[];
  /** Returns the place after its first `numLines` lines; default: after all of its bytes. */
  readonly placeAfter?: ((numLines?: number) => Place) | undefined;
}

/** A place between two rows of a file. */
export interface Place {
  /** Number of bytes of the decompressed UTF-8 text before it; for Parquet, of rows. */
  readonly offset: number;
  /** Hash of content before the place, by which other content is detected. */
  readonly check: string;
  /** Hashes of all bytes before the place, if the read computes them. */
  readonly prefix?: { readonly blockBytes: number; readonly digests: string[] } | undefined;
}

/** A line that is not a row. */
export interface InvalidLine {
  /** Number of rows of the chunk before it. */
  readonly before: number;
  /** Counted as the lines of a chunk. */
  readonly line: number;
  readonly expected: string;
  readonly cells: readonly string[];
  /** Fix, if it is not to correct or to skip the line. */
  readonly cure?: string | undefined;
}

/** Why a row of a chunk is invalid. */
export interface RowProblem {
  /** Columns with the invalid value; undefined if the row as a whole is invalid. */
  readonly columns: readonly string[] | undefined;
  readonly error: InvalidValueError;
}

/** How problems of a computed column are described. */
export interface ComputedPlace {
  /** Columns that problems name in place of the computed one. */
  readonly columns: readonly string[];
  /** Added to what was expected, such as `in every item`. */
  readonly place: string;
}

const [KEPT, REFUSED, EXCLUDED] = [0, 1, 2];

/** The rows of a chunk while they are read: which are valid, and which are excluded by a rule. */
export class ChunkRows {
  readonly #states: Uint8Array;
  readonly #problems = new Map<number, RowProblem>();
  readonly #computed = new Map<string, ComputedPlace & { readonly column: Column }>();
  /** Rows by the reason of their exclusion. */
  readonly excluded = new Map<string, number>();
  #numKept: number;

  /** @param states memory for at least as many rows as the chunk has */
  constructor(
    readonly chunk: Chunk,
    states = new Uint8Array(chunk.rows),
  ) {
    this.#states = states.fill(KEPT, 0, chunk.rows);
    this.#numKept = chunk.rows;
  }

  get count(): number {
    return this.chunk.rows;
  }

  get numKept(): number {
    return this.#numKept;
  }

  /** Whether a row is neither invalid nor excluded so far. */
  isKept(row: number): boolean {
    return this.#states[row] === KEPT;
  }

  /** Whether a rule excludes a row; it may contain anything. */
  isExcluded(row: number): boolean {
    return this.#states[row] === EXCLUDED;
  }

  /** @throws Error if the chunk lacks a column, which is a bug */
  column(name: string): Column {
    const found = this.#computed.get(name)?.column ?? this.chunk.columns.get(name);
    if (found === undefined) throw new Error(`the chunk has no column '${name}'`);
    return found;
  }

  /** Adds a column that is computed from others. */
  addComputed(name: string, column: Column, place: ComputedPlace): void {
    this.#computed.set(name, { column, ...place });
  }

  /**
   * Notes the first problem of a row.
   * @throws any error that is not an InvalidValueError
   */
  refuse(row: number, columns: readonly string[] | undefined, error: unknown): void {
    if (!(error instanceof InvalidValueError)) throw error;
    if (this.#states[row] !== KEPT) return;
    this.#states[row] = REFUSED;
    this.#numKept--;
    // A computed column is the only one of its field.
    const computed = columns?.length === 1 ? this.#computed.get(columns[0]!) : undefined;
    const problem = computed && {
      columns: computed.columns,
      error: new InvalidValueError(`${error.expected} ${computed.place}`, error.cure),
    };
    this.#problems.set(row, problem ?? { columns, error });
  }

  /**
   * Calls `read` for kept rows; a row for which it throws an InvalidValueError is refused for these columns.
   * @param indices rows to read; default: all
   */
  eachKept(columns: readonly string[], read: (row: number) => void, indices?: ArrayLike<number>): void {
    const end = indices?.length ?? this.count;
    for (let i = 0; i < end; i++) {
      const row = indices === undefined ? i : indices[i]!;
      if (!this.isKept(row)) continue;
      try {
        read(row);
      } catch (error) {
        this.refuse(row, columns, error);
      }
    }
  }

  /** Excludes a row that is kept so far. */
  exclude(row: number, reason: string): void {
    this.#states[row] = EXCLUDED;
    this.#numKept--;
    this.excluded.set(reason, (this.excluded.get(reason) ?? 0) + 1);
  }

  /** The problem of an invalid row. */
  problemOf(row: number): RowProblem | undefined {
    return this.#problems.get(row);
  }

  /** The problems of invalid rows, in the order of rows. */
  problems(): readonly (readonly [row: number, problem: RowProblem])[] {
    return [...this.#problems].sort(([a], [b]) => a - b);
  }

  /** Writes the kept rows to `into`, in increasing order; returns their number. */
  listKept(into: Uint32Array): number {
    let count = 0;
    for (let row = 0; row < this.count; row++) if (this.#states[row] === KEPT) into[count++] = row;
    return count;
  }

  /** Line of a row, counted as the lines of the chunk. */
  lineOf(row: number): number {
    return this.chunk.lines?.[row] ?? row;
  }
}

/** Returns rows `begin` to `end` of a chunk, with the same line numbers, and without the lines that are not rows. */
export function sliceChunk({ columns, lines, cellsOf }: Chunk, begin: number, end: number): Chunk {
  return {
    rows: end - begin,
    columns: new Map([...columns].map(([name, column]) => [name, sliceColumn(column, begin, end)])),
    lines: sliceLines(lines, begin, end),
    numLines: 0,
    cellsOf: (row) => cellsOf(begin + row),
  };
}

function sliceLines(lines: Chunk['lines'], begin: number, end: number): Uint32Array {
  const own = new Uint32Array(end - begin);
  for (let i = 0; i < own.length; i++) own[i] = lines === undefined ? begin + i : lines[begin + i]!;
  return own;
}

function sliceColumn(column: Column, begin: number, end: number): Column {
  const { type, numbers, ids, utf8, dictionary, lists } = column;
  return {
    type,
    text: (row) => column.text(begin + row),
    ...(column.numberText && {
      numberText: (row: number, isCompared: boolean) => column.numberText!(begin + row, isCompared),
    }),
    ...(numbers && { numbers: { ...numbers, values: numbers.values.subarray(begin, end) } }),
    ...(ids && { ids: { ...ids, values: ids.values.subarray(begin, end) } }),
    ...(utf8 && { utf8: sliceUtf8(utf8, begin) }),
    ...(dictionary && { dictionary: { ...dictionary, indices: dictionary.indices.subarray(begin, end) } }),
    ...(lists && { lists: { ...lists, offsets: lists.offsets.subarray(begin, end + 1) } }),
    ...(column.value && { value: (row: number) => column.value!(begin + row) }),
    ...(column.listAt && { listAt: (row: number, form?: ItemForm) => column.listAt!(begin + row, form) }),
    ...(column.numbersAt && { numbersAt: (row: number) => column.numbersAt!(begin + row) }),
  };
}

function sliceUtf8({ begins, ends, stride, ...utf8 }: Utf8, begin: number): Utf8 {
  return { ...utf8, begins: begins.subarray(begin * stride), ends: ends.subarray(begin * stride), stride };
}
