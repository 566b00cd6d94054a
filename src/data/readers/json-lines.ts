import { printable, quoted, userError } from '../../core/errors.js';
import type { DialectOptions } from '../dialect.js';
import { CARRY_ROOM, joined, type ByteChunks } from './byte-chunks.js';
import type { ByteSource } from './byte-source.js';
import type { Chunk, InvalidLine } from '../../chunks/chunk.js';
import { MAX_ROW_BYTES, type CellFile, type Piece } from './cell-file.js';
import { addNames, keyTree } from './json-keys.js';
import { BadJson, createJsonScanner, type JsonScanner } from './json-scan.js';
import { readable, unreadable } from './unreadable.js';

const LF = 10;
/** Rows of a piece at the most. */
const PIECE_ROWS = 1 << 12;
/** Bytes that are looked at for the names of columns; as many more as the first line has. */
const HEAD_BYTES = 1 << 18;
const BYTE_ORDER_MARK = '\ufeff';

/** How lines of JSON are opened. */
export interface JsonLinesOptions {
  /** The columns that are read. */
  readonly wanted: readonly string[];
  /** Whether all columns are kept, so that a key which the first lines do not have is an error. */
  readonly keepsAll?: boolean | undefined;
}

/**
 * Opens a file with a JSON object a line. Keys are columns, those of an object in it are behind its key and a dot; null
 * and a key
 * that is missing are empty cells; lists are bags; numbers are as they were written.
 * @throws UserError (data) for a file that cannot be read, or whose first line is no object
 */
export async function openJsonLines(
  file: ByteSource,
  { columns: named = [] }: DialectOptions,
  { wanted, keepsAll = false }: JsonLinesOptions,
  chunkBytes = 1 << 19,
): Promise<CellFile> {
  const { path, stats, fingerprint } = file;
  const { names, numLines } = await readable(path, () => readNames(path, file.look(chunkBytes))).catch(
    (error: unknown) => {
      file.close();
      throw error;
    },
  );
  const header = [...new Set([...names, ...named])];
  const columns = header.filter((name) => wanted.includes(name));
  return {
    path,
    kind: 'JSON Lines',
    header,
    stats,
    fingerprint,
    missing: {
      message: `is used by the config, but is in none of the first ${numLines} lines`,
      fix: 'if later lines have it, set format: jsonl and list it in columns: […]',
    },
    async *pieces() {
      const scanner = createJsonScanner(keyTree(columns), columns.length, PIECE_ROWS, keepsAll);
      try {
        yield* readPieces(file.read({ chunkBytes, room: CARRY_ROOM, numKept: 0 }), path, scanner, { header, columns });
      } catch (error) {
        throw unreadable(path, error);
      }
    },
  };
}

/** The names of the columns in the first lines. */
async function readNames(
  path: string,
  chunks: ByteChunks,
): Promise<{ readonly names: ReadonlySet<string>; readonly numLines: number }> {
  const text = (await headOf(chunks)).toString('utf8');
  const lines = text
    .replace(BYTE_ORDER_MARK, '')
    .split('\n')
    .map((line) => line.trim());
  const names = new Set<string>();
  const filled = lines.filter((line) => line !== '');
  for (const line of filled) {
    const value = objectOf(line);
    if (value !== undefined) addNames(value, line, names);
  }
  const first = filled[0] ?? text.trim();
  if (first === '') throw userError('data', { where: path, message: 'is empty; expected one JSON object per line' });
  if (first.startsWith('['))
    throw userError('data', {
      where: path,
      message: 'is a JSON array; expected one object per line',
      fix: `convert it: jq -c '.[]' ${path}`,
    });
  if (names.size === 0 && filled.every((line) => objectOf(line) === undefined)) {
    const place = `${path}:${lines.findIndex((line) => line !== '') + 1}`;
    throw userError('data', {
      where: place,
      message: `expected one JSON object per line, found ${quoted(printable(first, 60))}`,
      fix: `if objects span lines, run: jq -c . ${path}; if it is a CSV, set data.format: csv`,
    });
  }
  return { names, numLines: filled.length };
}

/** Whole lines at the beginning, the same however the bytes come; all that there is where it is no more. */
async function headOf(chunks: ByteChunks): Promise<Buffer> {
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

function objectOf(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The columns of a file, and those that are read. */
interface Names {
  readonly header: readonly string[];
  readonly columns: readonly string[];
}

/** Reads all lines. */
async function* readPieces(
  chunks: ByteChunks,
  path: string,
  scanner: JsonScanner,
  names: Names,
): AsyncGenerator<Piece> {
  let carry: Buffer = Buffer.alloc(0);
  let progress = 0;
  let isFirst = true;
  for await (const chunk of chunks) {
    ({ progress } = chunk);
    let whole = joined(carry, chunk.bytes);
    if (isFirst && whole.length < 3) {
      carry = Buffer.from(whole);
      continue;
    }
    if (isFirst) whole = withoutMark(whole);
    isFirst = false;
    const end = whole.lastIndexOf(LF) + 1;
    for (const rows of scanLines(whole.subarray(0, end), scanner, names)) yield { ...rows, progress };
    carry = Buffer.from(whole.subarray(end));
    if (carry.length > MAX_ROW_BYTES) yield { failure: (line) => tooLong(path, line), progress };
  }
  if (isFirst) carry = withoutMark(carry);
  if (carry.length > 0)
    for (const rows of scanLines(Buffer.concat([carry, Buffer.of(LF)]), scanner, names)) yield { ...rows, progress };
}

function tooLong(path: string, line: number): Error {
  return userError('data', {
    where: `${path}:${line}`,
    message: `a line exceeds the maximum of ${MAX_ROW_BYTES} bytes`,
  });
}

function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).toString('utf8') === BYTE_ORDER_MARK ? bytes.subarray(3) : bytes;
}

/** Scans whole lines. */
function* scanLines(bytes: Buffer, scanner: JsonScanner, names: Names): Generator<Chunk> {
  let lines: number[] = [];
  let invalid: InvalidLine[] = [];
  let numLines = 0;
  const take = (): Chunk => {
    const chunk = chunkOf(scanner, names, { lines, numLines, invalid });
    [lines, invalid, numLines] = [[], [], 0];
    return chunk;
  };
  scanner.start(bytes);
  for (let begin = 0; begin < bytes.length; numLines++) {
    if (scanner.rows === PIECE_ROWS) {
      yield take();
      scanner.start(bytes);
    }
    const end = bytes.indexOf(LF, begin);
    const lineBegin = begin;
    begin = end + 1;
    if (isBlank(bytes, lineBegin, end)) continue;
    try {
      scanner.scanLine(lineBegin, end);
      lines.push(numLines);
    } catch (error) {
      if (!(error instanceof BadJson)) throw error;
      invalid.push({
        before: scanner.rows,
        line: numLines,
        expected: `${error.expected}, in column ${error.at + 1}`,
        cells: [bytes.toString('utf8', lineBegin, end)],
      });
    }
  }
  if (numLines > 0) yield take();
}

function chunkOf(
  scanner: JsonScanner,
  { header, columns }: Names,
  lines: Pick<Chunk, 'lines' | 'numLines' | 'invalid'>,
): Chunk {
  const byName = new Map(columns.map((name, c) => [name, scanner.column(c)]));
  return {
    ...lines,
    rows: scanner.rows,
    columns: byName,
    cellsOf: (row) => header.map((name) => byName.get(name)?.text(row) ?? ''),
  };
}

function isBlank(bytes: Buffer, begin: number, end: number): boolean {
  for (let i = begin; i < end; i++) if (bytes[i] !== 32 && bytes[i] !== 9 && bytes[i] !== 13) return false;
  return true;
}
