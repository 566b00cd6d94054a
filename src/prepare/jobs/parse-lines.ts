import { printable } from '../../core/errors.js';
import { readLines, type Chunk } from '../chunk.js';
import type { Columns } from '../column-file.js';
import { createFeatureColumns, type Cuts, type FeatureColumns } from '../feature-columns.js';
import type { FieldPlan } from '../fields.js';
import { BadLine, createLineReader, decodeBytes, type LineReader } from '../raw-line.js';

/** A problem of a line in a chunk. */
export interface BadRow {
  /** From 0 at the start of the chunk. */
  readonly line: number;
  readonly expected: string;
  readonly found: string;
  /** The truncated line. */
  readonly text: string;
}

/** Input of all parse jobs. */
export interface ParseTask {
  readonly chunk: Chunk;
  /** Target path of the columns; nothing is written if too many lines are invalid. */
  readonly target: string;
  readonly fields: readonly FieldPlan[];
  readonly maxBadRows: number;
}

/** Result of all parse jobs. */
export interface ParseAbout {
  readonly rows: number;
  readonly lines: number;
  /** Names of the fields that occur. */
  readonly fields: readonly string[];
  readonly cuts: Cuts;
  readonly bad: readonly BadRow[];
}

/** Maximum characters of an invalid line to report. */
const TEXT_LENGTH = 200;

let cached: { key: string; columns: FeatureColumns } | undefined;

/**
 * Parses the lines of a chunk into columns, whose memory is reused for the next chunk.
 * @param readLine reads the values of a line and ends a row, or throws BadLine; `readFeatures` reads the last value
 */
export function parseLines(
  { chunk, fields, maxBadRows }: ParseTask,
  readLine: (reader: LineReader, bytes: Uint8Array, readFeatures: () => void, columns: FeatureColumns) => void,
): { columns: Columns; about: ParseAbout } {
  const key = JSON.stringify(fields);
  if (cached?.key !== key) cached = { key, columns: createFeatureColumns(fields) };
  const { columns } = cached;
  columns.clear();
  const { bytes, begin: first, end: last } = readLines(chunk, (size) => columns.lines(size));
  const reader = createLineReader(fields.map(({ name }) => name));
  const bad: BadRow[] = [];
  const readFeatures = (): void => {
    const next = columns.readFeatures(reader.at);
    if (next === 0) reader.features(bytes, columns);
    else reader.at = next;
  };
  let lines = 0;
  for (let begin = first; begin < last && bad.length <= maxBadRows; begin = reader.at, lines++) {
    reader.at = begin;
    try {
      readLine(reader, bytes, readFeatures, columns);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      const end = bytes.indexOf(10, begin);
      bad.push({
        line: lines,
        expected: error.expected,
        found: error.found,
        text: printable(decodeBytes(bytes, begin, end), TEXT_LENGTH),
      });
      reader.at = end + 1;
    }
  }
  const filled = columns.columns();
  const names = new Set([...filled.keys()].map((name) => name.replace(/\..*/, '')));
  const about = {
    rows: columns.rows,
    lines,
    fields: fields.flatMap(({ name }) => (names.has(name) ? [name] : [])),
    cuts: columns.cuts,
    bad,
  };
  return { columns: filled, about };
}

/** An array that grows. */
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
    // A view has the same type as its array.
    return this.data.subarray(0, this.length) as Data;
  }
}
