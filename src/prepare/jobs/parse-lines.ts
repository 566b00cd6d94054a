import { printable } from '../../errors.js';
import { readLines, type Chunk } from '../chunk.js';
import { createFeatureColumns, type Cuts, type FeatureColumns } from '../feature-columns.js';
import type { FieldPlan } from '../fields.js';
import { BadLine, createLineReader, textOf, type LineReader } from '../raw-line.js';

/** What is wrong with a line of a chunk. */
export interface BadRow {
  /** From 0, the first of the chunk. */
  readonly line: number;
  readonly expected: string;
  readonly found: string;
  /** The line, cut short. */
  readonly text: string;
}

/** What all jobs that parse a chunk are given. */
export interface ParseTask {
  readonly chunk: Chunk;
  /** Where the columns go; nothing is written where more lines are bad than may be. */
  readonly target: string;
  readonly fields: readonly FieldPlan[];
  readonly maxBadRows: number;
}

/** What all of them tell about a chunk. */
export interface ParseAbout {
  readonly rows: number;
  readonly lines: number;
  /** Names of the fields that occur. */
  readonly fields: readonly string[];
  readonly cuts: Cuts;
  readonly bad: readonly BadRow[];
}

/** Characters of a bad line that are kept. */
const TEXT_LENGTH = 200;

let kept: { key: string; columns: FeatureColumns } | undefined;

/**
 * Parses the lines of a chunk into columns; the memory of the columns is used again for the next chunk.
 * @param readLine reads a line up to its end and adds its features, or throws BadLine
 */
export function parseLines(
  { chunk, fields, maxBadRows }: ParseTask,
  readLine: (reader: LineReader, bytes: Uint8Array, columns: FeatureColumns) => void,
): { columns: FeatureColumns; about: ParseAbout } {
  const key = JSON.stringify(fields);
  if (kept?.key !== key) kept = { key, columns: createFeatureColumns(fields) };
  const { columns } = kept;
  columns.clear();
  const bytes = readLines(chunk);
  const reader = createLineReader(fields.map(({ name }) => name));
  const bad: BadRow[] = [];
  let lines = 0;
  for (let begin = 0; begin < bytes.length && bad.length <= maxBadRows; begin = reader.at, lines++) {
    reader.at = begin;
    try {
      readLine(reader, bytes, columns);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      const end = bytes.indexOf(10, begin);
      bad.push({ line: lines, expected: error.expected, found: error.found, text: printable(textOf(bytes, begin, end), TEXT_LENGTH) });
      reader.at = end + 1;
    }
  }
  const names = new Set([...columns.columns().keys()].map((name) => name.replace(/\..*/, '')));
  const about = { rows: columns.rows, lines, fields: fields.flatMap(({ name }) => (names.has(name) ? [name] : [])), cuts: columns.cuts, bad };
  return { columns, about };
}

/** An array without a known end. */
export class Growing<Data extends Uint8Array | Uint32Array> {
  data: Data;
  length = 0;

  constructor(private readonly create: (length: number) => Data) {
    this.data = create(1 << 12);
  }

  reserve(count: number): void {
    if (this.length + count <= this.data.length) return;
    const larger = this.create(Math.max(this.length + count, 2 * this.data.length));
    larger.set(this.data);
    this.data = larger;
  }

  push(value: number): void {
    this.reserve(1);
    this.data[this.length++] = value;
  }

  get filled(): Data {
    // A view of the same kind as what it looks at.
    return this.data.subarray(0, this.length) as Data;
  }
}
