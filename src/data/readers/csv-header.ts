import { quoted, userError } from '../../core/errors.js';
import { PLAIN_CSV, quoteCharacter, type Dialect, type DialectOptions } from '../dialect.js';
import type { ByteChunks } from './byte-chunks.js';
import { isRepeated, looksLikeRow, noHeader, NOT_A_NAME } from './column-indices.js';
import { countLines, parseCells, parseFailure } from './csv-cells.js';
import { markBytes } from './text-stream.js';

const [LF, OPEN_OBJECT] = [10, 123];
/** Bytes that are read for the header, doubled until they contain it. */
const HEAD_BYTES = 1 << 16;
/** Rows after the first one that decide whether it is a header, and the delimiter. */
const LOOK_ROWS = 100;
/** Delimiters that are detected. */
const DELIMITERS = [',', ';', '\t', '|'];

/** Header of a CSV, and its dialect. */
export interface CsvHeader {
  readonly dialect: Dialect;
  readonly names: readonly string[];
  /** Bytes and lines before the first row. */
  readonly bytes: number;
  readonly lines: number;
}

/**
 * Reads the header of a CSV, and detects the parts of its dialect that the options do not set.
 * @throws UserError (data) for a file that is empty, cannot be parsed, or has a duplicate column
 */
export async function readHeader(path: string, chunks: ByteChunks, options: DialectOptions): Promise<CsvHeader> {
  const read: Buffer[] = [];
  let length = 0;
  let isFirst = true;
  let enough = HEAD_BYTES;
  let header: CsvHeader | undefined;
  for await (const { bytes } of chunks) {
    if (isFirst && beginsAsLast(bytes, options)) return last!.header;
    isFirst = false;
    read.push(Buffer.from(bytes));
    length += bytes.length;
    for (; header === undefined && length > enough; enough *= 2)
      header = parseHeader(path, Buffer.concat(read, enough), options, false);
    if (header !== undefined) break;
  }
  const head = Buffer.concat(read);
  header ??= parseHeader(path, head, options, true);
  if (header === undefined) throw userError('data', { where: path, message: 'is empty; expected a header and rows' });
  checkNames(path, header, head);
  last = isDecidedByLine(header, head, options) ? { options, line: head.subarray(0, header.bytes), header } : undefined;
  return header;
}

/** The last header, which thousands of files may share. */
let last: { readonly options: DialectOptions; readonly line: Buffer; readonly header: CsvHeader } | undefined;

function beginsAsLast(bytes: Buffer, options: DialectOptions): boolean {
  return last?.options === options && bytes.subarray(0, last.line.length).equals(last.line);
}

/** Returns whether each file with the first line of `head` has the same header, whatever follows. */
function isDecidedByLine({ bytes, lines }: CsvHeader, head: Buffer, options: DialectOptions): boolean {
  const line = head.subarray(0, bytes);
  const candidates = DELIMITERS.filter((delimiter) => line.includes(delimiter));
  return (
    lines === 1 &&
    line.at(-1) === LF &&
    options.comments === undefined &&
    !line.includes(quoteCharacter(options) ?? '"') &&
    (options.delimiter !== undefined || candidates.length < 2)
  );
}

/**
 * Parses the header from the first bytes of a file.
 * @param isAll whether they are the whole file
 * @returns undefined if it may continue after these bytes, or there is none
 */
function parseHeader(path: string, head: Buffer, options: DialectOptions, isAll: boolean): CsvHeader | undefined {
  const begin = markBytes(head);
  const text = head.subarray(begin);
  if (options.format === undefined) checkFormat(path, text);
  const lines = isAll ? text : text.subarray(0, text.lastIndexOf(LF) + 1);
  const dialect = { ...PLAIN_CSV, ...options, delimiter: options.delimiter ?? findDelimiter(path, lines, options) };
  const parsed = parseCells(text, 1, dialect, 1);
  const [first] = parsed.rows;
  const { end } = parsed;
  // A row is complete if another byte follows it.
  if (first !== undefined && (isAll || end < text.length)) {
    if (dialect.header !== false) return { dialect, names: first, bytes: begin + end, lines: countLines(text, 0, end) };
    checkFirstRow(path, first, dialect.columns!);
    return { dialect, names: dialect.columns!, bytes: begin, lines: 0 };
  }
  const failure =
    isAll || parsed.error?.code !== 'CSV_QUOTE_NOT_CLOSED' ? parseFailure(path, text, dialect, parsed) : undefined;
  if (failure !== undefined) throw failure(0);
  return undefined;
}

/** @throws UserError (data) if the first line is a JSON object */
function checkFormat(path: string, text: Buffer): void {
  if (text[0] !== OPEN_OBJECT) return;
  const end = text.indexOf(LF);
  try {
    JSON.parse(text.toString('utf8', 0, end < 0 ? text.length : end));
  } catch {
    return;
  }
  throw userError('data', {
    where: `${path}:1`,
    message: 'contains a JSON object, but is named like a CSV file',
    fix: 'set data.format: jsonl, or rename the file to .jsonl',
  });
}

/**
 * Returns the delimiter that splits the first row; of several, the one for which most other rows have the same width; a
 * comma without any.
 * @param head whole lines at the beginning of the file
 * @param options dialect; the names of columns of a file without a header set the width
 * @throws UserError (data) if several delimiters are possible, or if there is no header
 */
function findDelimiter(path: string, head: Buffer, options: DialectOptions): string {
  const numNames = options.header === false ? options.columns?.length : undefined;
  const parse = (delimiter: string, maxRows: number): readonly (readonly string[])[] =>
    parseCells(head, 1, { ...PLAIN_CSV, ...options, delimiter }, maxRows).rows;
  const found = DELIMITERS.filter((delimiter) => head.includes(delimiter))
    .map((delimiter) => ({ delimiter, width: parse(delimiter, 1)[0]?.length ?? 0 }))
    .filter(({ width }) => width > 1);
  if (found.length < 2) return found[0]?.delimiter ?? PLAIN_CSV.delimiter;
  const fitting = found.filter(({ delimiter, width }) => {
    if (numNames !== undefined && width !== numNames) return false;
    const [, ...rest] = parse(delimiter, LOOK_ROWS);
    return 2 * rest.filter((values) => values.length === width).length > rest.length;
  });
  if (fitting.length === 1) return fitting[0]!.delimiter;
  const { delimiter } = found.reduce((widest, each) => (each.width > widest.width ? each : widest));
  const rows = parse(delimiter, LOOK_ROWS);
  if (options.header !== false && (looksLikeRow(rows[0]!) || isRepeated(rows)))
    throw noHeader({ path, header: rows[0]!, dialect: { delimiter } }, undefined, delimiter);
  const candidates = found.map((each) => `${quoted(each.delimiter)} (${each.width} columns)`).join(' or ');
  throw userError('data', {
    where: `${path}:1`,
    key: 'data.delimiter',
    message: `expected one delimiter, found several candidates: ${candidates}`,
    fix: `set it, for example delimiter: ${quoted(found[0]!.delimiter)}`,
  });
}

/** Checks the first row of a file without a header. */
function checkFirstRow(path: string, values: readonly string[], names: readonly string[]): void {
  if (values.length !== names.length)
    throw userError('data', {
      where: `${path}:1`,
      message: `expected ${names.length} values as in data.columns, found ${values.length}`,
      fix: 'list every column of the file in data.columns, even unused ones, and check data.delimiter',
    });
  if (values.filter((value, i) => value === names[i] && !NOT_A_NAME.test(value)).length > names.length / 2)
    throw userError('data', {
      where: `${path}:1`,
      message: 'contains the column names, but data.header is false',
      fix: 'remove data.header and data.columns',
    });
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
