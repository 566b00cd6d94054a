import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { Dialect } from '../dialect.js';
import type { ColumnReader, DirectCells } from '../rows/column-reader.js';
import type { LineCount, PlainBytes } from './cell-file.js';
import { sharedCutRows, type CutRows } from './cell-kernels.js';
import { cellText, cellTexts } from './cell-text.js';
import { affineOnly, encodeNumbers } from './encode-numbers.js';
import { createOddCells, type OddCells } from './odd-cells.js';

// Reads plain CSV as bytes: no quotes, one byte between cells, every line with an end. Some hundred rows are cut into
// cells at a time, and then read a
// column at a time, as far as cells are usual; what is unusual in a cell is given to the cell's reader as text, and a
// row that is unusual in any other way to
// the reader of whole rows, which says what is wrong with it.

/** What a scanner fills and asks. */
export interface ScanTarget {
  /** Columns of the CSV. */
  readonly width: number;
  readonly dialect: Dialect;
  readonly indices: ReadonlyMap<string, number>;
  readonly readers: readonly ColumnReader[];
  /** Where readers write: to row `rows`, which is full at `capacity`. */
  readonly block: { rows: number };
  readonly capacity: number;
  /** Whether the row is kept that was just read. @throws BadValue */
  readonly settle: (line: number) => boolean;
  /**
   * Whether it is seen at once that `settle` keeps rows `begin` to `end` of the block, and has nothing else to do with
   * them.
   */
  readonly keepsAll: (begin: number, end: number) => boolean;
  /** Reads a row from its cells, or tells what is wrong with it; true where it is to be kept. */
  readonly readRow: (cells: readonly string[], line: number) => boolean;
}

/** Reads bytes into a block, as far as it has room. */
export interface Scanner {
  start(bytes: PlainBytes): void;
  /** Reads on; true once all is read, false where the block is full before. */
  scan(): boolean;
}

const LF = 10;
const CR = 13;

/** A column whose usual cells need not become text. */
interface DirectColumn {
  readonly column: number;
  readonly reader: ColumnReader;
  readonly into: DirectCells['into'];
  /**
   * Reads its cells of rows that were cut, to row `first` of the block and behind it, and gives of how many rows they
   * are something else: those of `odd.rows`.
   */
  readonly take: (rows: number, first: number) => number;
}

/** What always needs text. */
interface TextReader {
  readonly read: (text: string) => void;
  readonly columns: readonly number[];
}

/** A scanner for rows of these columns. */
export function createScanner(target: ScanTarget): Scanner {
  let scanner: Scanner | undefined;
  return {
    // Its memory is taken when there are bytes.
    start: (plain) => (scanner ??= startScanner(target)).start(plain),
    scan: () => scanner!.scan(),
  };
}

function startScanner({
  width,
  dialect,
  indices,
  readers,
  block,
  capacity,
  settle,
  keepsAll,
  readRow,
}: ScanTarget): Scanner {
  const cut = sharedCutRows(width, dialect.delimiter.charCodeAt(0));
  const { most, places } = cut;
  const stride = width + 1;
  const odd = createOddCells(most, readers.length);
  const { direct, texts } = waysOf(readers, indices, cut, stride, odd);

  const user = Symbol();
  let bytes: Buffer = cut.bytes;
  let at = 0;
  let end = 0;
  let next: LineCount;
  /** Which of the bytes the window has. */
  let windowBegin = 0;
  let windowEnd = 0;

  const textOf = (column: number, row: number): string =>
    cellText(cut.bytes, places[row * stride + column]! + 1, places[row * stride + column + 1]);

  const readTexts = (row: number): void => {
    odd.each(row, (c) => direct[c]!.reader.read(textOf(direct[c]!.column, row)));
    for (const { read, columns } of texts) {
      let text = textOf(columns[0]!, row);
      for (let i = 1; i < columns.length; i++) text += CELL_SEPARATOR + textOf(columns[i]!, row);
      read(text);
    }
  };

  /** Whether a row is kept, whose usual cells are read. */
  const isKept = (row: number): boolean => {
    const line = cut.lines[row]!;
    try {
      if (odd.isBad[row] === 0) {
        if (texts.length > 0 || odd.has(row)) readTexts(row);
        return settle(line);
      }
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
    }
    return readRow(
      cellTexts(cut.bytes.subarray(places[row * stride]! + 1, places[row * stride + width]), dialect.delimiter),
      line,
    );
  };

  /** Takes rows that were cut to the block. */
  const takeRows = (rows: number): void => {
    const first = block.rows;
    odd.clear(rows);
    for (let c = 0; c < direct.length; c++) odd.add(c, direct[c]!.take(rows, first));
    if (texts.length === 0 && !odd.hasAmong(rows) && keepsAll(first, first + rows)) {
      block.rows = first + rows;
      return;
    }
    for (let row = 0; row < rows; row++) {
      const into = block.rows;
      // One before it was not kept.
      if (into < first + row) for (const column of direct) column.into[into] = column.into[first + row]!;
      if (isKept(row)) block.rows = into + 1;
    }
  };

  /** A line that has not as many cells as there are columns, or more bytes than are looked at together. */
  const takeLine = (): void => {
    const begin = at;
    const lineEnd = bytes.indexOf(LF, begin);
    at = lineEnd + 1;
    const wasKept = readRow(
      cellTexts(bytes.subarray(begin, bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd), dialect.delimiter),
      next.line++,
    );
    if (wasKept) block.rows++;
  };

  const fill = (): void => {
    windowBegin = at;
    windowEnd = at + cut.fill(bytes, at, end);
  };

  return {
    start(plain) {
      ({ bytes, begin: at, end, next } = plain);
      windowEnd = at;
    },
    scan() {
      // Another scanner may have used the window meanwhile.
      if (cut.user !== user) windowEnd = at;
      cut.user = user;
      while (at < end) {
        if (block.rows === capacity) return false;
        if (at >= windowEnd) fill();
        const rows = cut.cut(at - windowBegin, next.line, Math.min(most, capacity - block.rows));
        const behind = windowBegin + cut.next.byte;
        if (rows > 0) takeRows(rows);
        next.line = cut.next.line;
        if (behind > at) at = behind;
        // It may only go on behind the window.
        else if (windowBegin < at && windowEnd < end) fill();
        else takeLine();
      }
      return true;
    },
  };
}

/** The ways of cells to their readers. */
function waysOf(
  readers: readonly ColumnReader[],
  indices: ReadonlyMap<string, number>,
  cut: CutRows,
  stride: number,
  odd: OddCells,
): { readonly direct: readonly DirectColumn[]; readonly texts: readonly TextReader[] } {
  const direct: DirectColumn[] = [];
  const texts: TextReader[] = [];
  for (const reader of readers) {
    const columns = reader.columns.map((name) => indices.get(name)!);
    const [column] = columns as [number];
    const isShared = readers.some(
      (other) => other !== reader && other.isKept !== true && other.columns.includes(reader.columns[0]!),
    );
    if (reader.isKept === true || reader.direct === undefined || columns.length > 1 || isShared)
      texts.push({ read: reader.read, columns });
    else
      direct.push({ column, reader, into: reader.direct.into, take: takeOf(reader.direct, column, cut, stride, odd) });
  }
  return { direct, texts };
}

function takeOf(cells: DirectCells, column: number, cut: CutRows, stride: number, odd: OddCells): DirectColumn['take'] {
  const { bytes, places } = cut;
  switch (cells.cell) {
    case 'id': {
      const { into, below } = cells;
      return (rows, first) => {
        const numOthers = cut.readIds(column, rows, below, odd.rows);
        into.set(cut.ids.subarray(0, rows), first);
        return numOthers;
      };
    }
    case 'class': {
      const { into } = cells;
      return (rows, first) => {
        const numOthers = cut.readClasses(column, rows, odd.rows);
        into.set(cut.floats.subarray(0, rows), first);
        return numOthers;
      };
    }
    case 'number': {
      const { into } = cells;
      const step = affineOnly(cells);
      if (step !== undefined && into instanceof Float32Array) {
        return (rows, first) => {
          const numOthers = cut.readScaled(column, rows, step, odd.rows);
          into.set(cut.floats.subarray(0, rows), first);
          return numOthers;
        };
      }
      return (rows, first) => {
        cut.readNumbers(column, rows);
        return encodeNumbers(cut.numbers, 0, rows, cells, first, odd);
      };
    }
    case 'token': {
      const { into, idOf } = cells;
      return (rows, first) => {
        let numOthers = 0;
        for (let row = 0; row < rows; row++) {
          const id = idOf(bytes, places[row * stride + column]! + 1, places[row * stride + column + 1]!);
          into[first + row] = id;
          // Another may be no text at all.
          if (id === 0) odd.rows[numOthers++] = row;
        }
        return numOthers;
      };
    }
  }
}
