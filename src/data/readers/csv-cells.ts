import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';
import { quoted, userError } from '../../core/errors.js';
import { PLAIN_CSV, quoteOf, type Dialect } from '../dialect.js';
import type { InvalidLine } from '../../chunks/chunk.js';
import { MAX_ROW_BYTES } from './cell-file.js';
import { cellText, latin1CellText } from './cell-text.js';
import { withoutComments } from './comment-lines.js';

/** What csv-parse means by its codes, for people. */
const PARSE_ERRORS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quoted value is never closed',
  CSV_MAX_RECORD_SIZE: `a row exceeds the maximum of ${MAX_ROW_BYTES} characters`,
};
const NOT_CLOSED_SOON = `a quoted value is not closed within ${MAX_ROW_BYTES} characters`;
const CLOSE_QUOTE = 'close it, or set data.quote: none if the file does not quote values';
/** What it expected where a quote is out of place. */
const QUOTE_ERRORS: Readonly<Record<string, (dialect: Dialect) => string>> = {
  CSV_INVALID_CLOSING_QUOTE: ({ delimiter }) =>
    `${delimiter === ',' ? 'a comma' : quoted(delimiter)} or the end of the line after a closing quote (a ` +
    'quote inside a quoted value is written twice)',
  INVALID_OPENING_QUOTE: () =>
    'a value that contains a quote to be fully quoted, with the inner quote written twice (or data.quote: none)',
};

/** What csv-parse, the authority, makes of some bytes. */
export interface ParsedCells {
  readonly rows: readonly (readonly string[])[];
  /** On which each row ends. */
  readonly lines: readonly number[];
  /** Where each row ends, its line end included. */
  readonly ends: readonly number[];
  /** What is wrong behind these rows, the line on which that row starts, and where. */
  readonly error: CsvError | undefined;
  readonly errorLine: number;
  readonly errorStart: number;
}

/** The same with the row that is wrong and where it ends, where that row can be left out. */
export interface LenientCells extends ParsedCells {
  readonly bad?: Omit<InvalidLine, 'before'> & { readonly end: number };
}

/**
 * Parses bytes of whole lines, of which the first is number `line`.
 * @param maxRowBytes 0 for no limit
 */
export function parseCells(
  bytes: Buffer,
  line: number,
  dialect = PLAIN_CSV,
  numRows?: number,
  maxRowBytes = MAX_ROW_BYTES,
): ParsedCells {
  const rows: string[][] = [];
  const lines: number[] = [];
  const ends: number[] = [];
  let counted = 0;
  let next = line;
  let error: CsvError | undefined;
  // Bytes that are no text are told apart cell by cell.
  const isText = isUtf8(bytes);
  const quote = quoteOf(dialect) ?? null;
  const content = withoutComments(bytes, dialect);
  try {
    parse(content, {
      encoding: isText ? 'utf8' : 'latin1',
      // As bytes, which they are in either encoding.
      delimiter: Buffer.from(dialect.delimiter),
      quote,
      escape: quote,
      // Files that were put together may mix them.
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      // Ragged rows are told apart later, where they may be rejected one by one.
      relax_column_count: true,
      max_record_size: maxRowBytes,
      ...(numRows !== undefined && { to: numRows }),
      on_record: (row: string[], { bytes: end }) => {
        rows.push(isText ? row : row.map(latin1CellText));
        ends.push(end);
        next += countLines(bytes, counted, end);
        counted = end;
        lines.push(next - (isLineEnd(bytes[end - 1]) ? 1 : 0));
        return null;
      },
    });
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown;
    error = thrown;
  }
  let start = counted;
  while (isLineEnd(content[start])) start++;
  return { rows, lines, ends, error, errorLine: next + countLines(bytes, counted, start), errorStart: start };
}

/**
 * The same as far as a row whose quote is out of place on its first line, whatever follows: it ends with that line. A
 * quote that
 * is left open has no such end; what follows may be the cell's or not.
 */
export function parseLeniently(bytes: Buffer, line: number, dialect: Dialect): LenientCells {
  const parsed = parseCells(bytes, line, dialect);
  if (parsed.error === undefined) return parsed;
  const end = lineEndBehind(bytes, parsed.errorStart);
  const { error } = parseCells(bytes.subarray(parsed.errorStart, end), 1, dialect);
  const expected = error && QUOTE_ERRORS[error.code]?.(dialect);
  if (expected === undefined) return parsed;
  return {
    ...parsed,
    bad: { line: parsed.errorLine, expected, cells: [cellText(bytes, parsed.errorStart, end).trimEnd()], end },
  };
}

/**
 * Returns the error for bytes that csv-parse could not read, by the number of the line before them; undefined if it
 * read them all.
 */
export function parseFailure(
  path: string,
  bytes: Buffer,
  dialect: Dialect,
  { error, errorLine, errorStart }: ParsedCells,
): ((linesBefore: number) => Error) | undefined {
  if (error === undefined) return undefined;
  const expected = QUOTE_ERRORS[error.code]?.(dialect);
  const message =
    expected === undefined ? (PARSE_ERRORS[error.code] ?? `not a CSV (${error.code})`) : `expected ${expected}`;
  const isOpenForLong = error.code === 'CSV_MAX_RECORD_SIZE' && isQuoteOpen(bytes.subarray(errorStart), dialect);
  const isOpen = isOpenForLong || error.code === 'CSV_QUOTE_NOT_CLOSED';
  return (linesBefore) =>
    userError(
      'data',
      {
        where: `${path}:${linesBefore + errorLine}`,
        message: isOpenForLong ? NOT_CLOSED_SOON : message,
        ...(isOpen && { fix: CLOSE_QUOTE }),
      },
      error,
    );
}

/** Whether the row that begins here has a quote that is not closed. */
function isQuoteOpen(bytes: Buffer, dialect: Dialect): boolean {
  return parseCells(bytes, 1, dialect, 1, 0).error?.code === 'CSV_QUOTE_NOT_CLOSED';
}

/** Behind the first end of a line from `begin` on, or the end of all. */
function lineEndBehind(bytes: Buffer, begin: number): number {
  for (let i = begin; i < bytes.length; i++)
    if (isLineEnd(bytes[i])) return i + (bytes[i] === 13 && bytes[i + 1] === 10 ? 2 : 1);
  return bytes.length;
}

/** How many lines end from `begin` to `end`; both characters of a CRLF are one end. */
export function countLines(bytes: Buffer, begin: number, end: number): number {
  let count = 0;
  for (let i = begin; i < end; i++) if (bytes[i] === 10 || (bytes[i] === 13 && bytes[i + 1] !== 10)) count++;
  return count;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === 10 || byte === 13;
}
