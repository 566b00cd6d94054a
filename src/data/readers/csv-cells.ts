import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';
import { quoted, userError } from '../../core/errors.js';
import { PLAIN_CSV, quoteCharacter, type Dialect } from '../dialect.js';
import type { InvalidLine } from '../../chunks/chunk.js';
import { MAX_ROW_BYTES } from './cell-file.js';
import { longLine } from './long-row.js';
import { cellText } from '../../features/cell-text.js';

const [LF, CR] = [10, 13];

/** csv-parse's code for a row beyond the limit. */
const TOO_LONG = 'CSV_MAX_RECORD_SIZE';
/** Messages by the codes of csv-parse. */
const PARSE_ERRORS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quoted value is never closed',
  [TOO_LONG]: `a row exceeds the maximum of ${MAX_ROW_BYTES} characters`,
};
const CLOSE_QUOTE = 'close it, or set data.quote: none if the file does not quote values';
/** Expectations by the codes for misplaced quotes. */
const QUOTE_ERRORS: Readonly<Record<string, (dialect: Dialect) => string>> = {
  CSV_INVALID_CLOSING_QUOTE: ({ delimiter }) =>
    `${delimiter === ',' ? 'a comma' : quoted(delimiter)} or the end of the line after a closing quote (a ` +
    'quote inside a quoted value is written twice)',
  INVALID_OPENING_QUOTE: () =>
    'a value that contains a quote to be fully quoted, with the inner quote written twice (or data.quote: none)',
};

/** Result of csv-parse, the authority on CSV. */
export interface ParsedCells {
  readonly rows: readonly (readonly string[])[];
  /** Line on which each row ends. */
  readonly lines: readonly number[];
  /** Offset after the last row and its line end. */
  readonly end: number;
  /** Error after these rows; the row with the error starts at `errorLine` and `errorStart`. */
  readonly error: CsvError | undefined;
  readonly errorLine: number;
  readonly errorStart: number;
}

/** Result with the invalid row and the offset after it, if that row can be skipped. */
export interface LenientCells extends ParsedCells {
  readonly bad?: Omit<InvalidLine, 'before'>;
  readonly badEnd?: number;
}

/**
 * Parses whole lines.
 * @param line number of the first line
 * @param numRows maximum number of rows; default: all
 * @param maxRowBytes maximum size of a row; 0 for no limit
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
  let counted = 0;
  let next = line;
  let error: CsvError | undefined;
  // Invalid UTF-8 is marked value by value.
  const isText = isUtf8(bytes);
  const quote = quoteCharacter(dialect) ?? null;
  const content = withoutComments(bytes, dialect);
  try {
    parse(content, {
      encoding: isText ? 'utf8' : 'latin1',
      // The delimiter is compared with bytes in both encodings.
      delimiter: Buffer.from(dialect.delimiter),
      quote,
      escape: quote,
      // Concatenated files may mix them.
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      // Ragged rows are rejected later, one by one.
      relax_column_count: true,
      max_record_size: maxRowBytes,
      ...(numRows !== undefined && { to: numRows }),
      on_record: (row: string[], { bytes: end }) => {
        rows.push(isText ? row : row.map(latin1CellText));
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
  return { rows, lines, end: counted, error, errorLine: next + countLines(bytes, counted, start), errorStart: start };
}

/**
 * Parses whole lines up to a row that is too long or has a misplaced quote on its first line: that row ends with its
 * line. A row whose quote is not closed has no such end.
 */
export function parseLeniently(bytes: Buffer, line: number, dialect: Dialect): LenientCells {
  const parsed = parseCells(bytes, line, dialect);
  if (parsed.error === undefined) return parsed;
  const end = lineEndAfter(bytes, parsed.errorStart);
  if (parsed.error.code === TOO_LONG) {
    const bad = longLine(bytes.subarray(parsed.errorStart, end), parsed.errorLine);
    return { ...parsed, bad: { ...bad, ...openForLong(bytes.subarray(parsed.errorStart, end), dialect) }, badEnd: end };
  }
  const { error } = parseCells(bytes.subarray(parsed.errorStart, end), 1, dialect);
  const expected = error && QUOTE_ERRORS[error.code]?.(dialect);
  if (expected === undefined) return parsed;
  return {
    ...parsed,
    bad: { line: parsed.errorLine, expected, cells: [cellText(bytes, parsed.errorStart, end).trimEnd()] },
    badEnd: end,
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
  const isOpen =
    error.code === 'CSV_QUOTE_NOT_CLOSED' ||
    (error.code === TOO_LONG && isQuoteOpen(bytes.subarray(errorStart), dialect));
  return (linesBefore) =>
    userError(
      'data',
      {
        where: `${path}:${linesBefore + errorLine}`,
        message,
        ...(isOpen && { fix: CLOSE_QUOTE }),
      },
      error,
    );
}

/** Describes a row beyond the limit, or the beginning of one, whose quote is not closed; empty for any other row. */
export function openForLong(bytes: Buffer, dialect: Dialect): Partial<Pick<InvalidLine, 'expected' | 'cure'>> {
  if (!isQuoteOpen(bytes, dialect)) return {};
  return { expected: `a quoted value to be closed within ${MAX_ROW_BYTES} bytes`, cure: CLOSE_QUOTE };
}

/** Returns whether the first row has a quote that is not closed. */
function isQuoteOpen(bytes: Buffer, dialect: Dialect): boolean {
  return parseCells(bytes, 1, dialect, 1, 0).error?.code === 'CSV_QUOTE_NOT_CLOSED';
}

/** Returns the offset after the next line end, or the length without one. */
export function lineEndAfter(bytes: Buffer, begin: number): number {
  for (let i = begin; i < bytes.length; i++)
    if (isLineEnd(bytes[i])) return i + (bytes[i] === CR && bytes[i + 1] === LF ? 2 : 1);
  return bytes.length;
}

/** Counts the line ends from `begin` to `end`; CRLF is one. */
export function countLines(bytes: Buffer, begin: number, end: number): number {
  let count = 0;
  for (let i = begin; i < end; i++) if (bytes[i] === LF || (bytes[i] === CR && bytes[i + 1] !== LF)) count++;
  return count;
}

/** Returns the values of a plain line without its line end. */
export function cellTexts(line: Buffer, delimiter: string): string[] {
  if (isUtf8(line)) return line.toString('utf8').split(delimiter);
  return line.toString('latin1').split(delimiter).map(latin1CellText);
}

/** Decodes a value whose bytes were decoded as latin1. */
function latin1CellText(cell: string): string {
  return cellText(Buffer.from(cell, 'latin1'));
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === LF || byte === CR;
}

/**
 * Returns a copy in which line ends replace the characters of comment lines, so that offsets stay. csv-parse would also
 * remove a comment after a closing quote. A line feed would form one line end with a carriage return before it.
 * @param bytes from the beginning of a row
 */
function withoutComments(bytes: Buffer, dialect: Dialect): Buffer {
  if (!mayHaveComments(bytes, dialect)) return bytes;
  const sign = Buffer.from(dialect.comments!);
  const quote = quoteCharacter(dialect)?.charCodeAt(0) ?? -1;
  const masked = Buffer.from(bytes);
  let isQuoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const isComment = !isQuoted && bytes.subarray(at, at + sign.length).equals(sign);
    const begin = at;
    for (; at < bytes.length && !isLineEnd(bytes[at]); at++)
      if (bytes[at] === quote && !isComment) isQuoted = !isQuoted;
    if (isComment) masked.fill(CR, begin, at);
  }
  return masked;
}

/** Returns whether a line may be a comment. */
export function mayHaveComments(bytes: Buffer, { comments }: Dialect): boolean {
  return (
    comments !== undefined &&
    (bytes.subarray(0, comments.length).equals(Buffer.from(comments)) ||
      bytes.includes(`\n${comments}`) ||
      bytes.includes(`\r${comments}`))
  );
}
