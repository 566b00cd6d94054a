import type { Chunk, InvalidLine } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { decimalCommaTexts } from './decimal-comma.js';
import type { FileColumns } from './cell-file.js';

/** Rows of a CSV as strings, with the line that each ends on. */
export interface TextRows extends Pick<Chunk, 'numLines' | 'placeAfter'> {
  readonly rows: readonly (readonly string[])[];
  readonly lines: readonly number[];
  /** A line after these rows that is not a row. */
  readonly bad?: Omit<InvalidLine, 'before'> | undefined;
}

/** Creates a chunk from rows of strings; rows with another number of values than the header are invalid. */
export function textChunk(
  file: FileColumns,
  { rows: all, lines: allLines, numLines, placeAfter, bad }: TextRows,
): Chunk {
  const { header, dialect, indices } = file;
  const place = dialect?.header === false ? 'data.columns' : 'the header';
  const rows: (readonly string[])[] = [];
  const lines: number[] = [];
  const invalid: InvalidLine[] = [];
  for (const [i, cells] of all.entries())
    if (cells.length === header.length) {
      rows.push(cells);
      lines.push(allLines[i]!);
    } else {
      const expected = `${header.length} values as in ${place}, found ${cells.length}`;
      invalid.push({ before: rows.length, line: allLines[i]!, expected, cells });
    }
  if (bad !== undefined) invalid.push({ ...bad, before: rows.length });
  const columns = new Map([...indices].map(([name, c]) => [name, textColumn(rows, c, file)]));
  return { rows: rows.length, lines, numLines, columns, invalid, cellsOf: (row) => rows[row]!, placeAfter };
}

function textColumn(rows: readonly (readonly string[])[], c: number, { dialect }: FileColumns): Column {
  const text = (row: number): string => rows[row]![c]!;
  return { type: 'string', text, ...decimalCommaTexts(dialect?.decimal, text) };
}
