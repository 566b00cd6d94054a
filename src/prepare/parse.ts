import { printable, quoted, userError, type UserError } from '../core/errors.js';
import type { StringPool } from '../features/vocabulary/string-pool.js';
import type { TensorData } from '../io/safetensors.js';
import { firstLine, readLines, type Chunk } from './chunk.js';
import { createColumnReader, readAbout, writeColumns } from '../io/column-file.js';
import { FeatureColumns, type Cuts } from './feature-columns.js';
import type { FieldPlan } from './fields.js';
import type { Job, Task } from '../system/job-pool.js';
import { BadLine, decodeBytes, LineReader } from './raw-line.js';
import { createSessionTable, findSession, type SessionTable } from './session-table.js';
import { numbered, type Stages } from './stage.js';
import type { RawFile, RawSplit } from './work.js';

/** File of a chunk's columns, with its metadata. */
export interface Parsed {
  readonly chunk: Chunk;
  readonly path: string;
  readonly about: ParseAbout;
}

/** A split as columns of raw ids. */
export interface ParsedSplit {
  readonly common: readonly Parsed[];
  readonly skeleton: readonly Parsed[];
  readonly sessions: SessionTable;
  /** Rows of common features with a repeated index. */
  readonly repeated: number;
}

/** Counts invalid rows over all files, up to a limit. */
export interface BadRowLimit {
  readonly max: number;
  count: number;
}

/**
 * Parses the raw files of a split.
 * @throws UserError (data) if there are more invalid rows than the limit, with the location of the first excess one;
 * (disk)
 */
export async function parseSplit(stages: Stages, split: RawSplit, limit: BadRowLimit): Promise<ParsedSplit> {
  const files = stages.work.files[split];
  const parse = async (file: RawFile, folder: string, common?: ParseTask['common']): Promise<Parsed[]> => {
    const tasks = file.chunks.map((chunk): ParseTask => ({
      target: stages.work.path(folder, `${split}-${numbered(chunk.index)}`),
      chunk,
      fields: stages.fields,
      maxBadRows: limit.max,
      common,
    }));
    const units = file.chunks.map(({ begin, end }) => end - begin);
    await stages.run(PARSE, tasks, { phase: `parsing ${file.path}`, units });
    return tasks.map(({ chunk, target }) => {
      // Written by the job.
      const about = readAbout(target) as ParseAbout;
      const left = limit.max - limit.count;
      if (about.bad.length > left) throw tooManyBadRows(chunk, about.bad[left]!, limit.max);
      limit.count += about.bad.length;
      return { chunk, path: target, about };
    });
  };
  const common = await parse(files.common, 'common');
  const { table: sessions, repeated } = createSessionTable(common.map(readKeys));
  const skeleton = await parse(files.skeleton, 'skeleton', { sessions, path: files.common.path });
  if (skeleton.every(({ about }) => about.rows === 0))
    throw userError('data', {
      where: files.skeleton.path,
      message: 'has no usable row',
      fix: 'use a skeleton file of Ali-CCP',
    });
  return { common, skeleton, sessions, repeated };
}

function readKeys({ path }: Parsed): StringPool {
  // A separate reader, since all results stay in use.
  const columns = createColumnReader().read(path, ['keys.offsets', 'keys.bytes']);
  return { offsets: columns.get('keys.offsets') as Uint32Array, bytes: columns.get('keys.bytes') as Uint8Array };
}

/** An invalid row with its location. */
export interface Reject extends BadRow {
  readonly path: string;
}

/** Lists the invalid rows of files, with their lines from 1. */
export function listRejects(files: readonly (readonly Parsed[])[]): Reject[] {
  return files.flatMap((file) => {
    let firstLine = 1;
    return file.flatMap(({ chunk: { path }, about }) => {
      const first = firstLine;
      firstLine += about.lines;
      return about.bad.map((row) => ({ ...row, path, line: first + row.line }));
    });
  });
}

/** Parses a chunk of a raw file. */
interface ParseTask extends Task {
  readonly chunk: Chunk;
  readonly fields: readonly FieldPlan[];
  readonly maxBadRows: number;
  /** The sessions that rows of a skeleton refer to, and their file; undefined for common features. */
  readonly common?: { readonly sessions: SessionTable; readonly path: string } | undefined;
}

/** A problem of a line in a chunk. */
interface BadRow {
  /** From 0 at the start of the chunk. */
  readonly line: number;
  readonly expected: string;
  readonly found: string;
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

/** Parses chunks in threads. */
export const PARSE: Job<ParseTask> = { name: 'parse', run: parseChunk };

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
function parseChunk({ target, chunk, fields, maxBadRows, common }: ParseTask): void {
  const key = JSON.stringify(fields);
  if (features?.key !== key) features = { key, columns: new FeatureColumns(fields) };
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
function tooManyBadRows(chunk: Chunk, { line, expected, found }: BadRow, max: number): UserError {
  const where = `${chunk.path}:${firstLine(chunk) + line}`;
  const fix =
    max === 0
      ? 'correct the row, or raise --max-bad-rows to drop and list invalid rows'
      : `more invalid rows than --max-bad-rows ${max}`;
  return userError('data', { where, message: `expected ${expected}, found ${quoted(found)}`, fix });
}
