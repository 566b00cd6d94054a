import type { Chunk } from '../../chunks/chunk.js';
import type { Column } from '../../chunks/column.js';
import { PLAIN_CSV } from '../dialect.js';
import type { FileColumns, PlainLines } from './cell-file.js';
import { cellText, cellTexts } from './cell-text.js';
import { returnCutRows, takeCutRows, type CutRows } from './cut-rows.js';
import { numberTextOf } from './decimal-comma.js';
import { textChunk } from './text-chunk.js';

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
      for (const part of cutPlain(rows, plain))
        yield part === 'rows' ? chunkOf(rows, columns, delimiter) : lineChunk(part, file, delimiter);
    } finally {
      returnCutRows(rows);
    }
  };
}

/** Cuts lines into `rows`; returns a line with another number of values than the header, or longer than the window. */
function* cutPlain(rows: CutRows, { bytes, begin, end }: PlainLines): Generator<'rows' | Buffer> {
  let windowBegin = begin;
  let windowEnd = begin;
  for (let at = begin; at < end;) {
    if (at >= windowEnd) {
      windowBegin = at;
      windowEnd = at + rows.fill(bytes, at, end);
    }
    const next = windowBegin + rows.cut(at - windowBegin);
    if (next > at) {
      yield 'rows';
      at = next;
    } else if (windowBegin < at && windowEnd < end) {
      // The line may continue after the window, which is filled from it on.
      windowEnd = at;
    } else {
      const lineEnd = bytes.indexOf(LF, at);
      yield bytes.subarray(at, lineEnd);
      at = lineEnd + 1;
    }
  }
}

function chunkOf(rows: CutRows, columns: ReadonlyMap<string, Column>, delimiter: string): Chunk {
  return {
    rows: rows.count,
    lines: rows.lines,
    numLines: rows.numLines,
    columns,
    cellsOf: (row) => cellTexts(rows.line(row), delimiter),
  };
}

/** A line with another number of values than the header, or with more bytes than the window. */
function lineChunk(line: Buffer, file: FileColumns, delimiter: string): Chunk {
  const cells = cellTexts(line.at(-1) === CR ? line.subarray(0, -1) : line, delimiter);
  return textChunk(file, { rows: [cells], lines: [0], numLines: 1 });
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
