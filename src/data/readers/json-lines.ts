import type { Chunk, InvalidLine } from '../../chunks/chunk.js';
import { printable, quoted, userError } from '../../core/errors.js';
import type { DialectOptions } from '../dialect.js';
import { CARRY_ROOM, joined, type ByteChunks } from './byte-chunks.js';
import type { ByteSource } from './byte-source.js';
import { MAX_ROW_BYTES, type CellFile, type Piece } from './cell-file.js';
import { addNames, BadJson, JsonScanner } from './json-scanner.js';
import { beginOfRead, placedChunks, placeAfterLines, type TextPlace } from './text-place.js';
import { markBytes } from './text-stream.js';
import { readable, readFailure } from './unreadable.js';

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
 * Opens a file with a JSON object per line. Keys are columns, and paths such as `user.id` those of nested objects. Null
 * and absent keys are missing values, lists are bags, and numbers keep their digits.
 * @param chunkBytes number of bytes that are read at a time
 * @throws UserError (data) for a file that cannot be read or has no object in its first lines
 */
export async function openJsonLines(
  file: ByteSource,
  { columns: extraNames = [] }: DialectOptions,
  { wanted, keepsAll = false }: JsonLinesOptions,
  chunkBytes = CHUNK_BYTES,
): Promise<CellFile> {
  const { path } = file;
  const head = await readable(path, () => readHead(path, file.look(chunkBytes))).catch((error: unknown) => {
    file.close();
    throw error;
  });
  const header = [...new Set([...head.names, ...extraNames])];
  const columns = header.filter((name) => wanted.includes(name));
  const open = (): LineScan => createScan({ header, columns }, keepsAll);
  return {
    ...openLines(file, header, head.begin, open, chunkBytes),
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
  return openLines(file, columns, 0, () => scan, CHUNK_BYTES);
}

/**
 * @param begin offset of the first line, or of a byte order mark before it
 * @param open returns the function that scans the lines of one read
 */
function openLines(
  file: ByteSource,
  header: readonly string[],
  begin: number,
  open: () => LineScan,
  chunkBytes: number,
): CellFile {
  const { path, stream, stats, fingerprint } = file;
  return {
    path,
    kind: 'JSON Lines',
    header,
    ...(stream && { stream }),
    stats,
    fingerprint,
    async *pieces({ from, isGrowing = false } = {}) {
      try {
        const chunks = file.read({ chunkBytes, room: CARRY_ROOM, numKept: 0 }, beginOfRead(from));
        yield* readPieces(path, withoutMark(placedChunks(path, chunks, begin, from)), isGrowing, open());
      } catch (error) {
        yield { ...readFailure(path, error), progress: 1 };
      }
    },
  };
}

/** Skips a byte order mark at the beginning of a file. */
async function* withoutMark(chunks: ReturnType<typeof placedChunks>): ReturnType<typeof placedChunks> {
  for await (const chunk of chunks) {
    const length = chunk.place.offset === 0 ? markBytes(chunk.bytes) : 0;
    const [mark, bytes] = [chunk.bytes.subarray(0, length), chunk.bytes.subarray(length)];
    yield { ...chunk, bytes, place: chunk.place.after(mark) };
  }
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
  readonly names: ReadonlySet<string>;
  readonly numLines: number;
  /** Offset of the first line, after a byte order mark. */
  readonly begin: number;
}

async function readHead(path: string, chunks: ByteChunks): Promise<Head> {
  const bytes = await readHeadBytes(chunks);
  const begin = markBytes(bytes);
  const lines = bytes
    .toString('utf8', begin)
    .split('\n')
    .map((line, i) => ({ text: line.trim(), number: i + 1 }))
    .filter(({ text }) => text !== '');
  const names = new Set<string>();
  let numObjects = 0;
  for (const { text } of lines) {
    const value = parseObject(text);
    if (value === undefined) continue;
    addNames(value, text, names);
    numObjects++;
  }
  const [first] = lines;
  if (first === undefined)
    throw userError('data', { where: path, message: 'is empty; expected one JSON object per line' });
  if (first.text.startsWith('['))
    throw userError('data', {
      where: path,
      message: 'is a JSON array; expected one object per line',
      fix: `convert it: jq -c '.[]' ${path}`,
    });
  if (numObjects === 0)
    throw userError('data', {
      where: `${path}:${first.number}`,
      message: `expected one JSON object per line, found ${quoted(printable(first.text, 60))}`,
      fix: `if objects span lines, run: jq -c . ${path}; if it is a CSV, set data.format: csv`,
    });
  return { names, numLines: lines.length, begin };
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

/** Returns the column names of a line. */
function namesIn(line: string): readonly string[] {
  const names = new Set<string>();
  const value = parseObject(line);
  if (value !== undefined) addNames(value, line, names);
  return [...names];
}

/** Returns a line of whole lines, from 0. */
function lineOf(bytes: Buffer, number: number): string {
  let begin = 0;
  for (let line = 0; line < number; line++) begin = bytes.indexOf(LF, begin) + 1;
  return bytes.toString('utf8', begin, bytes.indexOf(LF, begin));
}

function parseObject(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Reads all lines. A line that continues in the next chunk is joined. */
async function* readPieces(
  path: string,
  chunks: ReturnType<typeof placedChunks>,
  isGrowing: boolean,
  scan: LineScan,
): AsyncGenerator<Piece> {
  let carry: Buffer = Buffer.alloc(0);
  let end: TextPlace | undefined;
  let progress = 0;
  for await (const chunk of chunks) {
    ({ progress } = chunk);
    const place: TextPlace = end ?? chunk.place;
    const bytes = joined(carry, chunk.bytes);
    const lines = bytes.subarray(0, bytes.lastIndexOf(LF) + 1);
    for (const rows of scan(lines, place)) yield { ...rows, progress };
    end = place.after(lines);
    carry = Buffer.from(bytes.subarray(lines.length));
    if (carry.length > MAX_ROW_BYTES) yield { failure: (line) => tooLong(path, line), progress };
  }
  if (end === undefined || carry.length === 0 || isGrowing) return;
  const [begin, last] = [end, carry];
  for (const rows of scan(Buffer.concat([last, Buffer.of(LF)]), begin)) {
    const placeAfter = (count: number): TextPlace => (count === rows.rows ? begin.after(last) : begin);
    yield { ...rows, numLines: 0, placeAfter, progress };
  }
}

function tooLong(path: string, line: number): Error {
  return userError('data', {
    where: `${path}:${line}`,
    message: `a line exceeds the maximum of ${MAX_ROW_BYTES} bytes`,
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
    const lines: number[] = [];
    const invalid: InvalidLine[] = [];
    let numLines = 0;
    scanner.start(bytes);
    for (; begin < bytes.length && scanner.rows < CHUNK_ROWS; numLines++) {
      const end = bytes.indexOf(LF, begin);
      try {
        if (scanner.scanLine(begin, end)) lines.push(numLines);
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
      firstNames: () => (rows === 0 ? [] : namesIn(lineOf(own, lines[0]!))),
      cellsOf: (row) => names.header.map((name) => columns.get(name)?.text(row) ?? ''),
      placeAfter: (count, excludesRest = false) => {
        const isAll = count === rows && !excludesRest;
        return placeAfterLines(begun, own, isAll ? undefined : count && lines[count - 1]! + 1);
      },
    };
    place = place.after(own);
  }
}
