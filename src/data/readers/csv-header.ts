import { quoted, userError } from '../../core/errors.js';
import { PLAIN_CSV, quoteOf, type Dialect, type DialectOptions } from '../dialect.js';
import { isRepeated, looksLikeRow, noHeader, NOT_A_NAME } from './column-indices.js';
import type { ByteChunks } from './byte-chunks.js';
import { countLines, parseCells, parseFailure } from './csv-cells.js';
import { CANDIDATES, findDelimiter } from './find-delimiter.js';

const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
/** Bytes that are looked at, however they are read; twice as many as long as the header goes on. */
const HEAD_BYTES = 1 << 16;
/** Rows below a header whose names look like cells. */
const LOOK_ROWS = 100;
const OPENING_BRACE = 123;
const LF = 10;

/** What the beginning of a CSV tells. */
export interface CsvHeader {
  readonly dialect: Dialect;
  readonly names: readonly string[];
  /** Where the first row behind it starts: in bytes, and in lines. */
  readonly bytes: number;
  readonly lines: number;
}

/**
 * Reads the header of a CSV, and finds how its cells are to be read as far as nobody says it.
 * @throws UserError (data) for one that is empty, cannot be read, or names a column twice
 */
export async function readHeader(path: string, chunks: ByteChunks, options: DialectOptions): Promise<CsvHeader> {
  let read: Buffer[] = [];
  let length = 0;
  let isFirst = true;
  let enough = HEAD_BYTES;
  let header: CsvHeader | undefined;
  for await (const { bytes } of chunks) {
    if (isFirst && beginsAsLast(bytes, options)) return last!.header;
    isFirst = false;
    read.push(Buffer.from(bytes));
    length += bytes.length;
    while (header === undefined && length > enough) {
      read = [Buffer.concat(read)];
      header = headerOf(path, read[0]!.subarray(0, enough), options, false);
      enough *= 2;
    }
    if (header !== undefined) break;
  }
  header ??= headerOf(path, Buffer.concat(read), options, true);
  if (header === undefined) throw userError('data', { where: path, message: 'is empty; expected a header and rows' });
  const head = Buffer.concat(read);
  checkNames(path, header, head);
  last = isDecidedByLine(header, head, options) ? { options, line: head.subarray(0, header.bytes), header } : undefined;
  return header;
}

/** The last header, which thousands of files may share. */
let last: { readonly options: DialectOptions; readonly line: Buffer; readonly header: CsvHeader } | undefined;

function beginsAsLast(bytes: Buffer, options: DialectOptions): boolean {
  return last?.options === options && bytes.subarray(0, last.line.length).equals(last.line);
}

/** Returns whether each file whose first line is that of `head` has the same header, whatever follows. */
function isDecidedByLine({ bytes, lines }: CsvHeader, head: Buffer, options: DialectOptions): boolean {
  const line = head.subarray(0, bytes);
  const candidates = CANDIDATES.filter((delimiter) => line.includes(delimiter));
  return (
    lines === 1 &&
    line.at(-1) === LF &&
    options.comments === undefined &&
    !line.includes(quoteOf(options) ?? '"') &&
    (options.delimiter !== undefined || candidates.length < 2)
  );
}

/** The header at the beginning of some bytes; undefined where it may go on behind them, or there is none. */
function headerOf(path: string, head: Buffer, options: DialectOptions, isAll: boolean): CsvHeader | undefined {
  const begin = head.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  const text = head.subarray(begin);
  if (
    options.format === undefined &&
    text[0] === OPENING_BRACE &&
    isObject(text.toString('utf8', 0, (text.indexOf(10) + 1 || text.length + 1) - 1))
  ) {
    throw userError('data', {
      where: `${path}:1`,
      message: 'contains a JSON object, but is named like a CSV file',
      fix: 'set data.format: jsonl, or rename the file to .jsonl',
    });
  }
  const dialect = {
    ...PLAIN_CSV,
    ...options,
    delimiter:
      options.delimiter ?? findDelimiter(path, isAll ? text : text.subarray(0, text.lastIndexOf(10) + 1), options),
  };
  const parsed = parseCells(text, 1, dialect, 1);
  const {
    rows: [first],
    ends: [end = 0],
    error,
  } = parsed;
  // A record is known to be whole where another byte follows it.
  if (first !== undefined && (isAll || end < text.length)) {
    if (dialect.header !== false) return { dialect, names: first, bytes: begin + end, lines: countLines(text, 0, end) };
    checkFirstRow(path, first, dialect);
    return { dialect, names: dialect.columns!, bytes: begin, lines: 0 };
  }
  const failure =
    isAll || error?.code !== 'CSV_QUOTE_NOT_CLOSED' ? parseFailure(path, text, dialect, parsed) : undefined;
  if (failure !== undefined) throw failure(0);
  return undefined;
}

function isObject(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

/** A first row of a file without a header. */
function checkFirstRow(path: string, cells: readonly string[], { columns }: Dialect): void {
  // A config is not read without the names.
  const names = columns!;
  if (
    cells.length === names.length &&
    cells.filter((cell, i) => cell === names[i] && !NOT_A_NAME.test(cell)).length > names.length / 2
  ) {
    throw userError('data', {
      where: `${path}:1`,
      message: 'contains the column names, but data.header is false',
      fix: 'remove data.header and data.columns',
    });
  }
  if (cells.length !== names.length) {
    throw userError('data', {
      where: `${path}:1`,
      message: `expected ${names.length} values as in data.columns, found ${cells.length}`,
      fix: 'list every column of the file in data.columns, even unused ones, and check data.delimiter',
    });
  }
}

function checkNames(path: string, { names, dialect, bytes }: CsvHeader, head: Buffer): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  const { rows } = parseCells(head.subarray(bytes, bytes + HEAD_BYTES), 1, dialect, LOOK_ROWS);
  if (NOT_A_NAME.test(twice) || looksLikeRow(names) || isRepeated([names, ...rows]))
    throw noHeader({ path, header: names, dialect }, `${quoted(twice)} twice`);
  throw userError('data', {
    where: `${path}:1`,
    key: `column ${quoted(twice)}`,
    message: 'is in the header twice',
    fix: 'rename or remove one',
  });
}
