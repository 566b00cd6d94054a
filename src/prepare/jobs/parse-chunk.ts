import { printable, quoted, userError, type UserError } from '../../core/errors.js';
import { firstLine, readLines, type Chunk } from '../chunk.js';
import type { TensorData } from '../../io/safetensors.js';
import { writeColumns } from '../column-file.js';
import { createFeatureColumns, type Cuts, type FeatureColumns } from '../feature-columns.js';
import type { FieldPlan } from '../fields.js';
import { BadLine, decodeBytes, LineReader } from '../raw-line.js';
import { findSession, type SessionTable } from '../session-table.js';

/** Parses a chunk of a raw file. */
export interface ParseTask {
  readonly target: string;
  readonly chunk: Chunk;
  readonly fields: readonly FieldPlan[];
  readonly maxBadRows: number;
  /** The sessions that rows of a skeleton refer to, and their file; undefined for common features. */
  readonly common?: { readonly sessions: SessionTable; readonly path: string } | undefined;
}

/** A problem of a line in a chunk. */
export interface BadRow {
  /** From 0 at the start of the chunk. */
  readonly line: number;
  readonly expected: string;
  readonly found: string;
  /** The truncated line. */
  readonly text: string;
}

/** Metadata of parsed columns. */
export interface ParseAbout {
  readonly rows: number;
  readonly lines: number;
  /** Names of the fields that occur. */
  readonly fields: readonly string[];
  readonly cuts: Cuts;
  readonly bad: readonly BadRow[];
  /** Rows that were dropped for a purchase without a click. */
  readonly purchasesWithoutClick: number;
}

/** Maximum characters of an invalid line to report. */
const TEXT_LENGTH = 200;

/** Memory for the features of a chunk, reused for the next one. */
let features: { readonly key: string; readonly columns: FeatureColumns } | undefined;

/**
 * Parses a chunk into the columns of `FeatureColumns`. Common features also have `keys.offsets` (U32 [rows + 1]) and
 * `keys.bytes`, the index of each session; a skeleton has `click` and `purchase` (U8), and `session` (U32), the row of
 * its common features.
 * @throws UserError (data) if more than `maxBadRows` lines are invalid; (disk)
 */
export function parseChunk({ target, chunk, fields, maxBadRows, common }: ParseTask): void {
  const key = JSON.stringify(fields);
  if (features?.key !== key) features = { key, columns: createFeatureColumns(fields) };
  const { columns } = features;
  columns.clear();
  const { bytes, begin, end } = readLines(chunk, (size) => columns.lines(size));
  const line = new LineReader(bytes);
  const rows = common === undefined ? commonRows() : skeletonRows(common);
  const names = fields.map(({ name }) => name);
  const bad: BadRow[] = [];
  let lines = 0;
  line.at = begin;
  for (let at = begin; at < end; at = line.at, lines++) {
    try {
      rows.read(line, columns, names);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      const lineEnd = bytes.indexOf(10, at);
      const text = printable(decodeBytes(bytes, at, lineEnd), TEXT_LENGTH);
      bad.push({ line: lines, expected: error.expected, found: error.found, text });
      if (bad.length > maxBadRows) throw tooManyBadRows(chunk, bad.at(-1)!, maxBadRows);
      line.at = lineEnd + 1;
    }
  }
  const filled = columns.columns();
  const occurs = (name: string): boolean => filled.has(name) || filled.has(`${name}.ids`);
  const about: ParseAbout = {
    rows: columns.rows,
    lines,
    fields: names.filter(occurs),
    cuts: columns.cuts,
    bad,
    purchasesWithoutClick: rows.purchasesWithoutClick,
  };
  writeColumns(target, [...filled, ...rows.columns(bytes)], about);
}

/** Rows of one kind of raw file. */
interface RawRows {
  readonly purchasesWithoutClick: number;
  /** Reads a line and ends a row. @throws BadLine */
  read(line: LineReader, features: FeatureColumns, fields: readonly string[]): void;
  /** Returns the columns besides features. */
  columns(bytes: Buffer): (readonly [string, TensorData])[];
}

const INDEX = 'the index of common features';

function commonRows(): RawRows {
  /** Byte ranges of the indices. */
  const [begins, ends]: [number[], number[]] = [[], []];
  return {
    purchasesWithoutClick: 0,
    read(line, columns, fields) {
      const begin = line.at;
      const end = line.skipCell(INDEX);
      line.readFeatures(fields, columns);
      columns.endRow();
      begins.push(begin);
      ends.push(end);
    },
    columns(bytes) {
      const offsets = new Uint32Array(begins.length + 1);
      for (let row = 0; row < begins.length; row++) offsets[row + 1] = offsets[row]! + ends[row]! - begins[row]!;
      const keys = new Uint8Array(offsets.at(-1)!);
      for (let row = 0; row < begins.length; row++) keys.set(bytes.subarray(begins[row], ends[row]), offsets[row]);
      return [
        ['keys.offsets', offsets],
        ['keys.bytes', keys],
      ];
    },
  };
}

function skeletonRows({ sessions, path }: NonNullable<ParseTask['common']>): RawRows {
  const [clicks, purchases, rowSessions]: [number[], number[], number[]] = [[], [], []];
  let purchasesWithoutClick = 0;
  return {
    get purchasesWithoutClick() {
      return purchasesWithoutClick;
    },
    read(line, columns, fields) {
      line.skipCell('the number of the sample');
      const click = line.readBit('the click');
      const purchase = line.readBit('the conversion');
      const begin = line.at;
      const end = line.skipCell(INDEX);
      line.readFeatures(fields, columns);
      const session = findSession(sessions, line.bytes, begin, end);
      if (session < 0) throw new BadLine(`an index of common features in ${path}`, decodeBytes(line.bytes, begin, end));
      if (purchase > click) {
        purchasesWithoutClick++;
        return;
      }
      columns.endRow();
      clicks.push(click);
      purchases.push(purchase);
      rowSessions.push(session);
    },
    columns: () => [
      ['click', Uint8Array.from(clicks)],
      ['purchase', Uint8Array.from(purchases)],
      ['session', Uint32Array.from(rowSessions)],
    ],
  };
}

/** Creates the error for the first invalid row beyond the limit. */
export function tooManyBadRows(chunk: Chunk, { line, expected, found }: BadRow, max: number): UserError {
  const where = `${chunk.path}:${firstLine(chunk) + line}`;
  const fix =
    max === 0
      ? 'correct the row, or raise --max-bad-rows to drop and list invalid rows'
      : `more invalid rows than --max-bad-rows ${max}`;
  return userError('data', { where, message: `expected ${expected}, found ${quoted(found)}`, fix });
}
