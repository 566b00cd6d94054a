import type { Chunk, Place } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { PLAIN_CSV } from '../dialect.js';
import type { FileColumns, PlainLines } from './cell-file.js';
import { cellText } from '../../features/cell-text.js';
import { cellTexts } from './plain-cells.js';
import { returnCutRows, takeCutRows, type CutRows } from './cut-rows.js';
import { numberTextOf } from './decimal-comma.js';
import { textChunk } from './text-chunk.js';
import { placeAfterLines } from './text-place.js';

const LF = 10;
const CR = 13;

/** Cuts plain lines into chunks of a few hundred rows, which stay in a processor's cache while they are read. */
export type CutLines = (plain: PlainLines) => Generator<Chunk>;

/** Returns whether the lines of two files can be cut by the same cutter. */
export function isCutAlike(a: FileColumns, b: FileColumns): boolean {
  const isSame = (name: string): boolean => a.indices.get(name) === b.indices.get(name);
  return (
    a.header === b.header &&
    a.dialect === b.dialect &&
    a.indices.size === b.indices.size &&
    [...a.indices.keys()].every(isSame)
  );
}

/** Creates a cutter for the lines of a CSV. */
export function createLineCutter(file: FileColumns): CutLines {
  const { delimiter } = file.dialect ?? PLAIN_CSV;
  let columns: ReadonlyMap<string, Column> = new Map();
  let last: CutRows | undefined;
  return function* (plain) {
    const rows = takeCutRows(file.header.length, delimiter.charCodeAt(0));
    if (rows !== last) columns = cutColumns(rows, file);
    last = rows;
    try {
      for (const range of cutPlain(rows, plain))
        yield range.isCut
          ? rowsChunk(rows, columns, plain, range, delimiter)
          : lineChunk(file, plain, range, delimiter);
    } finally {
      returnCutRows(rows);
    }
  };
}

/** Lines that were cut into rows, or one with another number of values than the header or too long for the window. */
interface LineRange {
  readonly isCut: boolean;
  readonly begin: number;
  readonly end: number;
}

function* cutPlain(rows: CutRows, { bytes, begin, end }: PlainLines): Generator<LineRange> {
  let windowBegin = begin;
  let windowEnd = begin;
  for (let at = begin; at < end;) {
    if (at >= windowEnd) {
      windowBegin = at;
      windowEnd = at + rows.fill(bytes, at, end);
    }
    const next = windowBegin + rows.cut(at - windowBegin);
    if (next > at) {
      yield { isCut: true, begin: at, end: next };
      at = next;
    } else if (windowBegin < at && windowEnd < end) {
      // The line may continue after the window, which is filled from it on.
      windowEnd = at;
    } else {
      const lineEnd = bytes.indexOf(LF, at) + 1;
      yield { isCut: false, begin: at, end: lineEnd };
      at = lineEnd;
    }
  }
}

function rowsChunk(
  rows: CutRows,
  columns: ReadonlyMap<string, Column>,
  plain: PlainLines,
  range: LineRange,
  delimiter: string,
): Chunk {
  const { count, lines, numLines } = rows;
  return {
    rows: count,
    lines,
    numLines,
    columns,
    cellsOf: (row) => cellTexts(rows.line(row), delimiter),
    placeAfter: (end, excludesRest = false) =>
      placeIn(plain, range, end === count && !excludesRest ? undefined : end && lines[end - 1]! + 1),
  };
}

function lineChunk(file: FileColumns, plain: PlainLines, range: LineRange, delimiter: string): Chunk {
  const line = plain.bytes.subarray(range.begin, range.end);
  const cells = cellTexts(line.subarray(0, line.at(-2) === CR ? -2 : -1), delimiter);
  const placeAfter = (end?: number): Place => placeIn(plain, range, end);
  return textChunk(file, { rows: [cells], lines: [0], numLines: 1, placeAfter });
}

/** Returns the place after some of the lines in a range; default: after all. */
function placeIn({ place, bytes, begin }: PlainLines, range: LineRange, numLines?: number): Place {
  if (place === undefined) throw new Error('the place of the lines is not known');
  const first = place.after(bytes.subarray(begin, range.begin));
  return placeAfterLines(first, bytes.subarray(range.begin, range.end), numLines);
}

function cutColumns(rows: CutRows, { dialect, indices }: FileColumns): ReadonlyMap<string, Column> {
  return new Map(
    [...indices].map(([name, c]): [string, Column] => {
      const utf8 = rows.utf8(c);
      const text = (row: number): string =>
        cellText(rows.bytes, utf8.begins[row * utf8.stride]! + utf8.gap, utf8.ends[row * utf8.stride]);
      return [name, { type: 'string', text, ...numberTextOf(dialect?.decimal, text), utf8, cut: rows.column(c) }];
    }),
  );
}
