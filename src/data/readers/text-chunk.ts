import type { Chunk, InvalidLine, Place } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { numberTextOf } from './decimal-comma.js';
import type { FileColumns } from './cell-file.js';

/** Rows of a CSV as strings, with the line that each ends on. */
export interface TextRows {
  readonly rows: readonly (readonly string[])[];
  readonly lines: readonly number[];
  readonly numLines: number;
  /** Offset after each row. */
  readonly ends?: readonly number[];
  /** Returns the place after the bytes before an offset; default: after all bytes. */
  readonly placeAfter?: ((end?: number) => Place) | undefined;
  readonly invalid?: readonly InvalidLine[];
}

/** Creates a chunk from rows of strings; rows with another number of values than the header are invalid. */
export function textChunk(
  columns: FileColumns,
  { rows: all, lines: allLines, numLines, ends: allEnds = [], placeAfter, invalid: bad = [] }: TextRows,
): Chunk {
  const width = columns.header.length;
  const invalid: InvalidLine[] = [];
  for (const [i, cells] of all.entries())
    if (cells.length !== width) {
      const expected = raggedRow(columns, cells.length);
      invalid.push({ before: i - invalid.length, line: allLines[i]!, expected, cells });
    }
  const ofRows = <Each>(list: readonly Each[]): readonly Each[] =>
    invalid.length > 0 ? list.filter((_, i) => all[i]!.length === width) : list;
  const [rows, lines, ends] = [ofRows(all), ofRows(allLines), ofRows(allEnds)];
  return {
    rows: rows.length,
    lines,
    numLines,
    columns: new Map([...columns.indices].map(([name, c]) => [name, textColumn(rows, c, columns)])),
    invalid: [...invalid, ...bad.map((line) => ({ ...line, before: rows.length }))],
    cellsOf: (row) => rows[row]!,
    placeAfter:
      placeAfter &&
      ((count, excludesRest = false) => {
        const isAll = count === rows.length && (!excludesRest || ends.length === 0);
        return placeAfter(isAll ? undefined : (ends[count - 1] ?? 0));
      }),
  };
}

/** Describes what a row with another number of values should have. */
export function raggedRow({ header, dialect }: Pick<FileColumns, 'header' | 'dialect'>, found: number): string {
  return `${header.length} values as in ${dialect?.header === false ? 'data.columns' : 'the header'}, found ${found}`;
}

function textColumn(rows: readonly (readonly string[])[], c: number, { dialect }: FileColumns): Column {
  const text = (row: number): string => rows[row]![c]!;
  return { type: 'string', text, ...numberTextOf(dialect?.decimal, text) };
}
