import type { Chunk } from '../../chunks/chunk.js';
import type { Column, CutColumn } from '../../chunks/column.js';
import { PLAIN_CSV } from '../dialect.js';
import { giveBackCutRows, takeCutRows, type CutRows } from './cell-kernels.js';
import type { FileColumns, PlainLines } from './cell-file.js';
import { cellText, cellTexts } from './cell-text.js';
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
  const delimiter = (file.dialect ?? PLAIN_CSV).delimiter;
  const width = file.header.length;
  const separator = delimiter.charCodeAt(0);
  let columns: ReadonlyMap<string, Column> = new Map();
  let last: CutRows | undefined;

  const chunkOf = (rows: CutRows, count: number): Chunk => ({
    rows: count,
    lines: rows.lines,
    numLines: rows.next.line,
    columns,
    cellsOf: (row) => {
      const places = row * (width + 1);
      return cellTexts(rows.bytes.subarray(rows.places[places]! + 1, rows.places[places + width]), delimiter);
    },
  });
  /** A line with another number of values than the header, or with more bytes than the window. */
  const lineChunk = (bytes: Buffer, begin: number, end: number): Chunk => {
    const line = bytes.subarray(begin, bytes[end - 1] === CR ? end - 1 : end);
    return textChunk(file, { rows: [cellTexts(line, delimiter)], lines: [0], numLines: 1 });
  };

  function* cutPlain(cut: CutRows, { bytes, begin, end }: PlainLines): Generator<Chunk> {
    let windowBegin = begin;
    let windowEnd = begin;
    const fill = (at: number): void => {
      windowBegin = at;
      windowEnd = at + cut.fill(bytes, at, end);
    };
    for (let at = begin; at < end;) {
      if (at >= windowEnd) fill(at);
      const count = cut.cut(at - windowBegin, 0, cut.most);
      const next = windowBegin + cut.next.byte;
      if (count > 0 || next > at) {
        yield chunkOf(cut, count);
        at = next;
      } else if (windowBegin < at && windowEnd < end) {
        // The line may continue after the window.
        fill(at);
      } else {
        const lineEnd = bytes.indexOf(LF, at);
        yield lineChunk(bytes, at, lineEnd);
        at = lineEnd + 1;
      }
    }
  }

  return function* ({ bytes, begin, end }) {
    const cut = takeCutRows(width, separator);
    if (cut !== last) columns = cutColumns(cut, file);
    last = cut;
    try {
      yield* cutPlain(cut, { bytes, begin, end });
    } finally {
      giveBackCutRows(cut, width, separator);
    }
  };
}

function cutColumns(cut: CutRows, { header, dialect, indices }: FileColumns): ReadonlyMap<string, Column> {
  const stride = header.length + 1;
  const { bytes, places } = cut;
  return new Map(
    [...indices].map(([name, c]): [string, Column] => {
      const text = (row: number): string =>
        cellText(bytes, places[row * stride + c]! + 1, places[row * stride + c + 1]);
      return [
        name,
        {
          type: 'string',
          text,
          ...numberTextOf(dialect?.decimal, text),
          utf8: { bytes, begins: places.subarray(c), ends: places.subarray(c + 1), stride, gap: 1 },
          cut: cutColumn(cut, c),
        },
      ];
    }),
  );
}

function cutColumn(cut: CutRows, c: number): CutColumn {
  return {
    readIds(rows, below, into, first, odd) {
      const numOdd = cut.readIds(c, rows, below, odd);
      into.set(cut.ids.subarray(0, rows), first);
      return numOdd;
    },
    readScaled(rows, step, into, first, odd) {
      const numOdd = cut.readScaled(c, rows, step, odd);
      into.set(cut.floats.subarray(0, rows), first);
      return numOdd;
    },
    readClasses(rows, into, first, odd) {
      const numOdd = cut.readClasses(c, rows, odd);
      into.set(cut.floats.subarray(0, rows), first);
      return numOdd;
    },
    readNumbers(rows) {
      cut.readNumbers(c, rows);
      return cut.numbers;
    },
  };
}
