import { readFileSync } from 'node:fs';
import type { AffineStep } from '../../core/scaling.js';

/** The kernels of src/kernels/cells; places are those of bytes in their memory. */
interface CellKernels {
  heapBase(): number;
  cut(
    begin: number,
    end: number,
    separator: number,
    width: number,
    most: number,
    places: number,
    lines: number,
    line: number,
    next: number,
  ): number;
  readIds(cell: number, stride: number, rows: number, below: number, into: number, others: number): number;
  readNumbers(cell: number, stride: number, rows: number, into: number): void;
  readScaled(
    cell: number,
    stride: number,
    rows: number,
    subtract: number,
    divide: number,
    into: number,
    others: number,
  ): number;
  readClasses(cell: number, stride: number, rows: number, into: number, others: number): number;
}

/** Rows that are cut and read together, and the memory that this takes. */
export interface CutRows {
  /** Rows at the most. */
  readonly most: number;
  /** All memory, in which cells have their places. */
  readonly bytes: Buffer;
  /** At r · (width + 1) + c: the place before the cell of row r and column c; behind it, where the cell ends. */
  readonly places: Uint32Array;
  /** The line of each row. */
  readonly lines: Uint32Array;
  /** What the column that was read last has: of these, the one for its kind. */
  readonly ids: Uint32Array;
  readonly floats: Float32Array;
  readonly numbers: Float64Array;
  /**
   * Takes as much of some bytes as there is room for.
   * @returns how many bytes it is
   */
  fill(bytes: Buffer, begin: number, end: number): number;
  /**
   * Cuts rows from byte `begin` of what was taken on, whole lines of as many cells as there are columns.
   * @returns how many; `next` says where the next begins
   */
  cut(begin: number, line: number, most: number): number;
  /** The byte and the line behind what was cut: blank lines too. */
  readonly next: { readonly byte: number; readonly line: number };
  /** Reads a column of so many rows into `numbers`; NaN is something else. */
  readNumbers(column: number, rows: number): void;
  /** Read one into `ids` or `floats`, and give of how many rows the cells are something else: `others`. */
  readIds(column: number, rows: number, below: number, others: Uint32Array): number;
  readClasses(column: number, rows: number, others: Uint32Array): number;
  /** Of numbers, (number - subtract) / divide. */
  readScaled(column: number, rows: number, step: AffineStep, others: Uint32Array): number;
}

/** Bytes that are taken at a time: they stay in a processor's own memory while they are read. */
const WINDOW_BYTES = 1 << 17;
/** What memory that threads share is copied in, where both ends lie alike to it; else it is copied byte by byte. */
const WORD_BYTES = 8;
/** Bytes behind these that are looked at with them. */
const BEHIND = 64;
/** Cells of rows that are read together, which bounds how much memory they are spread over. */
const MAX_CELLS = 1 << 15;
const MIN_ROWS = 16;
const MAX_ROWS = 1 << 10;
const PAGE_BYTES = 1 << 16;
/** Words behind the places of all rows that are written over. */
const PLACES_BEHIND = 8;

let compiled: WebAssembly.Module | undefined;

/** Memory that is not in use, of the width and the separator that were used last: many files have the same. */
let free: { readonly key: string; readonly cuts: CutRows[] } = { key: '', cuts: [] };

/** Takes memory for rows of a number of columns, with the kernels that work on it. */
export function takeCutRows(width: number, separator: number): CutRows {
  const key = `${width} ${separator}`;
  if (free.key !== key) free = { key, cuts: [] };
  return free.cuts.pop() ?? createCutRows(width, separator);
}

/** Returns memory that is not used any more. */
export function giveBackCutRows(cut: CutRows, width: number, separator: number): void {
  if (free.key === `${width} ${separator}`) free.cuts.push(cut);
}

function createCutRows(width: number, separator: number): CutRows {
  // The build's folder is as far from the sources as from what is built of them.
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../../dist/cells.wasm', import.meta.url)));
  const most = Math.max(MIN_ROWS, Math.min(MAX_ROWS, Math.floor(MAX_CELLS / width)));
  const sizes = {
    values: 8 * most,
    others: 4 * most,
    lines: 4 * most,
    next: 8,
    places: 4 * (most * (width + 1) + PLACES_BEHIND),
    window: WORD_BYTES + WINDOW_BYTES + BEHIND,
  };
  // Memory never grows: views of it stay.
  const pages = 1 + Math.ceil(Object.values(sizes).reduce((sum, size) => sum + size + 8, 0) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: false });
  // The border to wasm: what the module exports is what src/kernels/cells says.
  const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as CellKernels;
  let free = kernels.heapBase();
  const reserve = (size: number): number => {
    const place = Math.ceil(free / 8) * 8;
    free = place + size;
    return place;
  };
  const [values, others, lines, next, places, room] = [
    sizes.values,
    sizes.others,
    sizes.lines,
    sizes.next,
    sizes.places,
    sizes.window,
  ].map(reserve) as [number, number, number, number, number, number];
  if (free > memory.buffer.byteLength)
    throw new Error(`${width} columns need ${free} bytes, and there are ${memory.buffer.byteLength}`);
  const bytes = Buffer.from(memory.buffer);
  const behind = new Uint32Array(memory.buffer, next, 2);
  const stride = 4 * (width + 1);
  const cell = (column: number): number => places + 4 * column;
  const found = new Uint32Array(memory.buffer, others, most);
  const told = (count: number, into: Uint32Array): number => {
    for (let i = 0; i < count; i++) into[i] = found[i]!;
    return count;
  };
  let window = room;
  let windowEnd = window;
  return {
    most,
    bytes,
    places: new Uint32Array(memory.buffer, places, most * (width + 1)),
    lines: new Uint32Array(memory.buffer, lines, most),
    ids: new Uint32Array(memory.buffer, values, most),
    floats: new Float32Array(memory.buffer, values, most),
    numbers: new Float64Array(memory.buffer, values, most),
    fill(from, begin, end) {
      window = room + ((from.byteOffset + begin) % WORD_BYTES);
      const count = from.copy(bytes, window, begin, Math.min(end, begin + WINDOW_BYTES));
      windowEnd = window + count;
      bytes.fill(0, windowEnd, windowEnd + BEHIND);
      return count;
    },
    cut: (begin, line, rows) =>
      kernels.cut(window + begin, windowEnd, separator, width, rows, places, lines, line, next),
    next: {
      get byte() {
        return behind[0]! - window;
      },
      get line() {
        return behind[1]!;
      },
    },
    readIds: (column, rows, below, into) =>
      told(kernels.readIds(cell(column), stride, rows, below, values, others), into),
    readNumbers: (column, rows) => kernels.readNumbers(cell(column), stride, rows, values),
    readScaled: (column, rows, { subtract, divide }, into) =>
      told(kernels.readScaled(cell(column), stride, rows, subtract, divide, values, others), into),
    readClasses: (column, rows, into) => told(kernels.readClasses(cell(column), stride, rows, values, others), into),
  };
}
