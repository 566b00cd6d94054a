import type { Chunk, InvalidLine } from '../../chunks/chunk.js';
import { printable, quoted, userError } from '../../core/errors.js';
import type { DialectOptions } from '../dialect.js';
import { joined, type ByteChunks } from './byte-chunks.js';
import type { ByteSource } from './byte-source.js';
import { MAX_ROW_BYTES, type CellFile, type Piece } from './cell-file.js';
import { longLine, LongRow } from './long-row.js';
import { BadJson, columnNames, isObject, JsonScanner } from './json-scanner.js';
import { readBeginning, textFile, type PlacedChunks } from './text-file.js';
import { placeAfterLines, type TextPlace } from './text-place.js';
import { markBytes } from './text-stream.js';

const LF = 10;
/** Bytes that are read at a time. */
const CHUNK_BYTES = 1 << 19;
/** Maximum number of rows of a chunk. */
const CHUNK_ROWS = 1 << 12;
/** Bytes that are searched for column names: whole lines, at least one. */
const HEAD_BYTES = 1 << 18;

/** How JSON Lines are read. */
export interface JsonLinesOptions {
  /** Columns that are read. */
  readonly wanted: readonly string[];
  /** Whether all columns are copied, so that a key that the first lines lack is an error. */
  readonly keepsAll?: boolean | undefined;
}

/**
 * Opens a file with a JSON object per line. Keys are columns, and paths such as `user.id` are columns of nested
 * objects. Null and absent keys are missing values, lists are bags, and numbers keep their digits.
 * @param chunkBytes number of bytes that are read at a time
 * @throws UserError (data) for a file that cannot be read or has no object in its first lines
 */
export async function openJsonLines(
  file: ByteSource,
  { columns: extraNames = [] }: DialectOptions,
  { wanted, keepsAll = false }: JsonLinesOptions,
  chunkBytes = CHUNK_BYTES,
): Promise<CellFile> {
  const head = await readBeginning(file, chunkBytes, (chunks) => readHead(file.path, chunks));
  const header = [...new Set([...head.names, ...extraNames])];
  const columns = header.filter((name) => wanted.includes(name));
  const open = (): LineScan => createScan({ header, columns }, keepsAll);
  return {
    ...openLines(file, header, open, chunkBytes),
    missing: {
      message: `is used by the config, but is in none of the first ${head.numLines} lines`,
      fix: 'if later lines have it, set format: jsonl and list it in columns: […]',
    },
  };
}

/**
 * Opens a file of JSON Lines that may grow, whose first lines may be invalid or not written yet. Rows have the wanted
 * columns; those that a line lacks are missing values.
 */
export function openGrowingLines(file: ByteSource, columns: readonly string[]): CellFile {
  const scan = createLineScanner(columns);
  return openLines(file, columns, () => scan, CHUNK_BYTES);
}

/** @param open returns the function that scans the lines of one read */
function openLines(file: ByteSource, header: readonly string[], open: () => LineScan, chunkBytes: number): CellFile {
  const text = textFile(file, { kind: 'JSON Lines', header }, 0, chunkBytes, (chunks, isGrowing) =>
    readPieces(chunks, isGrowing, open()),
  );
  // No piece has the memory of a chunk.
  return { ...text, pieces: (options) => text.pieces({ ...options, numKept: 0 }) };
}

/**
 * Scans whole lines, each of which ends in a line feed. Blank lines are ignored; a chunk is valid until the next one is
 * requested.
 */
type LineScan = (lines: Buffer, begin: TextPlace) => Generator<Chunk>;

/** Creates a function that scans lines with some columns, whatever other keys they have. */
export function createLineScanner(columns: readonly string[]): LineScan {
  return createScan({ header: columns, columns }, false);
}

function createScan(names: Names, isStrict: boolean): LineScan {
  const scanner = new JsonScanner(names.columns, CHUNK_ROWS, isStrict);
  return (lines, begin) => scanLines(lines, begin, scanner, names);
}

/** The first lines of a file. */
interface Head {
  /** Column names, with repetitions. */
  readonly names: readonly string[];
  readonly numLines: number;
}

async function readHead(path: string, chunks: ByteChunks): Promise<Head> {
  const bytes = await readHeadBytes(chunks);
  const lines = bytes
    .toString('utf8', markBytes(bytes))
    .split('\n')
    .map((line, i) => ({ text: line.trim(), number: i + 1 }))
    .filter(({ text }) => text !== '');
  const objects = lines.flatMap(({ text }) => {
    const names = namesIn(text);
    return names === undefined ? [] : [names];
  });
  const [first] = lines;
  if (first === undefined)
    throw userError('data', { where: path, message: 'is empty; expected one JSON object per line' });
  if (first.text.startsWith('['))
    throw userError('data', {
      where: path,
      message: 'is a JSON array; expected one object per line',
      fix: `convert it: jq -c '.[]' ${path}`,
    });
  if (objects.length === 0 && Buffer.byteLength(first.text) > MAX_ROW_BYTES) throw tooLong(path, first.number);
  if (objects.length === 0)
    throw userError('data', {
      where: `${path}:${first.number}`,
      message: `expected one JSON object per line, found ${quoted(printable(first.text, 60))}`,
      fix: `if objects span lines, run: jq -c . ${path}; if it is a CSV, set data.format: csv`,
    });
  return { names: objects.flat(), numLines: lines.length };
}

/** Reads the first whole lines, the same for any size of chunks; all bytes if there are no more. */
async function readHeadBytes(chunks: ByteChunks): Promise<Buffer> {
  const read: Buffer[] = [];
  let length = 0;
  let hasLine = false;
  for await (const { bytes } of chunks) {
    read.push(Buffer.from(bytes));
    length += bytes.length;
    hasLine ||= bytes.includes(LF);
    if (length > HEAD_BYTES && (hasLine || length > MAX_ROW_BYTES)) break;
  }
  const all = Buffer.concat(read);
  if (all.length <= HEAD_BYTES) return all;
  const last = all.lastIndexOf(LF, HEAD_BYTES);
  return all.subarray(0, last >= 0 ? last : all.indexOf(LF, HEAD_BYTES) >>> 0);
}

/** Returns the column names of a line; undefined if it is not an object. */
function namesIn(line: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? [...new Set(columnNames(value, line))] : undefined;
  } catch {
    return undefined;
  }
}

/** Reads all lines. A line that continues in the next chunk is joined, unless it is too long, which is invalid. */
async function* readPieces(chunks: PlacedChunks, isGrowing: boolean, scan: LineScan): AsyncGenerator<Piece> {
  let carry: Buffer = Buffer.alloc(0);
  let long: LongRow | undefined;
  let place: TextPlace | undefined;
  let progress = 0;
  for await (const chunk of chunks) {
    ({ progress } = chunk);
    place ??= chunk.start;
    const end = long === undefined ? 0 : chunk.bytes.indexOf(LF) + 1 || chunk.bytes.length;
    long?.skip(chunk.bytes.subarray(0, end));
    if (long !== undefined) {
      if (chunk.bytes[end - 1] !== LF) continue;
      yield* longPieces(long, scan, progress);
      place = long.end;
      long = undefined;
    }
    const bytes = joined(carry, chunk.bytes.subarray(end));
    const begin = place.offset === 0 ? markBytes(bytes) : 0;
    const lines = bytes.subarray(begin, bytes.lastIndexOf(LF) + 1);
    place = place.after(bytes.subarray(0, begin));
    for (const rows of scan(lines, place)) yield { ...rows, progress };
    place = place.after(lines);
    carry = Buffer.from(bytes.subarray(begin + lines.length));
    if (carry.length <= MAX_ROW_BYTES) continue;
    long = new LongRow(place, carry);
    carry = Buffer.alloc(0);
  }
  if (long !== undefined && !isGrowing) yield* longPieces(long, scan, progress);
  if (place === undefined || carry.length === 0 || isGrowing) return;
  const [begin, last] = [place, carry];
  for (const rows of scan(Buffer.concat([last, Buffer.of(LF)]), begin)) {
    const placeAfter = (numLines?: number): TextPlace => (numLines === 0 ? begin : begin.after(last));
    yield { ...rows, numLines: 0, placeAfter, progress };
  }
}

/** Yields a chunk without rows, with the line that is too long: the columns are the columns of a blank line. */
function* longPieces(long: LongRow, scan: LineScan, progress: number): Generator<Piece> {
  const invalid = [{ before: 0, ...long.line }];
  for (const blank of scan(Buffer.of(LF), long.begin))
    yield { ...blank, invalid, placeAfter: (numLines) => long.placeAfter(numLines), progress };
}

function tooLong(path: string, line: number): Error {
  return userError('data', {
    where: `${path}:${line}`,
    message: `a line exceeds the maximum of ${MAX_ROW_BYTES} bytes`,
    fix: 'write one object per line, with shorter lists',
  });
}

/** All columns of a file, and those that are read. */
interface Names {
  readonly header: readonly string[];
  readonly columns: readonly string[];
}

function* scanLines(bytes: Buffer, start: TextPlace, scanner: JsonScanner, names: Names): Generator<Chunk> {
  let place = start;
  for (let begin = 0; begin < bytes.length;) {
    const first = begin;
    let firstRow = -1;
    const lines: number[] = [];
    const invalid: InvalidLine[] = [];
    let numLines = 0;
    scanner.start(bytes);
    for (; begin < bytes.length && scanner.rows < CHUNK_ROWS; numLines++) {
      const end = bytes.indexOf(LF, begin);
      if (end - begin > MAX_ROW_BYTES)
        invalid.push({ before: scanner.rows, ...longLine(bytes.subarray(begin, end + 1), numLines) });
      else
        try {
          if (scanner.scanLine(begin, end)) {
            if (lines.length === 0) firstRow = begin;
            lines.push(numLines);
          }
        } catch (error) {
          if (!(error instanceof BadJson)) throw error;
          const expected = `${error.expected}, in column ${error.at + 1}`;
          invalid.push({ before: scanner.rows, line: numLines, expected, cells: [bytes.toString('utf8', begin, end)] });
        }
      begin = end + 1;
    }
    const columns = new Map(names.columns.map((name, c) => [name, scanner.column(c)]));
    const { rows } = scanner;
    const own = bytes.subarray(first, begin);
    const begun = place;
    yield {
      rows,
      lines,
      numLines,
      invalid,
      columns,
      firstNames: () => (rows > 0 && namesIn(bytes.toString('utf8', firstRow, bytes.indexOf(LF, firstRow)))) || [],
      cellsOf: (row) => names.header.map((name) => columns.get(name)?.text(row) ?? ''),
      placeAfter: (count) => placeAfterLines(begun, own, count),
    };
    place = place.after(own);
  }
}
