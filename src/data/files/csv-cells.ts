import { CsvError, parse } from 'csv-parse/sync';
import { userError } from '../../errors.js';

/** A row longer than this is a quote that was never closed, or not a CSV. */
export const MAX_ROW_BYTES = 1 << 20;

/** What csv-parse means by its codes, for people. */
const PARSE_ERRORS: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'a quote is opened and never closed',
  CSV_INVALID_CLOSING_QUOTE: 'something follows a closing quote; a quote inside a quoted cell is written twice',
  INVALID_OPENING_QUOTE: 'a quote stands inside a cell that does not start with one; quote the whole cell and write the quote twice',
  CSV_MAX_RECORD_SIZE: `a row has more than ${MAX_ROW_BYTES} characters: a quote that is never closed, or not a CSV`,
};

/** What csv-parse, the authority, makes of some bytes. */
export interface ParsedCells {
  readonly rows: readonly (readonly string[])[];
  /** On which each row ends. */
  readonly lines: readonly number[];
  /** Where each row ends, its line end included. */
  readonly ends: readonly number[];
  /** What is wrong behind these rows, and the line on which that row starts. */
  readonly error: CsvError | undefined;
  readonly errorLine: number;
}

/** Parses bytes of whole lines, of which the first is number `line`. */
export function parseCells(bytes: Buffer, line: number, numRows?: number): ParsedCells {
  const rows: string[][] = [];
  const lines: number[] = [];
  const ends: number[] = [];
  let counted = 0;
  let next = line;
  let error: CsvError | undefined;
  try {
    parse(bytes, {
      // Files that were put together may mix them.
      record_delimiter: ['\r\n', '\n', '\r'],
      skip_empty_lines: true,
      // Ragged rows are told apart later, where they may be rejected one by one.
      relax_column_count: true,
      max_record_size: MAX_ROW_BYTES,
      ...(numRows !== undefined && { to: numRows }),
      on_record: (row: string[], { bytes: end }) => {
        rows.push(row);
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
  while (isLineEnd(bytes[start])) start++;
  return { rows, lines, ends, error, errorLine: next + countLines(bytes, counted, start) };
}

/**
 * Refuses what csv-parse could not read.
 * @throws UserError (data)
 */
export function checkParsed(path: string, { error, errorLine }: ParsedCells): void {
  if (error !== undefined) throw userError('data', { where: `${path}:${errorLine}`, message: PARSE_ERRORS[error.code] ?? `not a CSV (${error.code})` }, error);
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
