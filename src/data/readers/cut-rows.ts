import type { Column } from '../../chunks/column.js';
import { cellText } from '../../features/cell-text.js';
import { instantiateKernels } from '../../io/kernel-module.js';
import { checkKernels, MemoryLayout, WORD_BYTES } from './memory-layout.js';

/** The kernels of src/kernels/cells; addresses count bytes in their memory. */
interface CellKernels {
  heapBase(): number;
  cut(
    begin: number,
    end: number,
    separator: number,
    width: number,
    maxRows: number,
    places: number,
    lines: number,
    line: number,
    next: number,
  ): number;
  readIds(cell: number, stride: number, rows: number, below: number, into: number, odd: number): number;
  readNumbers(cell: number, stride: number, rows: number, into: number): void;
}

/** Bytes that are copied at a time: they stay in a processor's cache while they are read. */
const WINDOW_BYTES = 1 << 17;
/** Shared memory is copied in words if both addresses have the same remainder, else byte by byte. */
const ALIGNED_BYTES = 8;
/** Zeros after the window, which kernels may read. */
const PADDING_BYTES = 64;
/** Maximum number of values that are cut at once, which bounds their memory. */
const MAX_VALUES = 1 << 15;
const [MIN_ROWS, MAX_ROWS] = [16, 1 << 10];
/** Places after the places of all rows, which kernels may overwrite. */
const EXTRA_PLACES = 8;

/** Memory in which lines are cut into rows, and the kernels that read the columns of the cut rows. */
export class CutRows {
  /** The whole memory, which contains the values. */
  readonly bytes: Buffer;
  /** Line of each row, from 0. */
  readonly lines: Uint32Array;
  readonly #maxRows: number;
  readonly #kernels: CellKernels;
  readonly #addresses: Readonly<Record<'values' | 'odd' | 'lines' | 'next' | 'places' | 'window', number>>;
  /** At r · (width + 1) + c, the offset of the byte before column c of row r, which is the end of column c - 1. */
  readonly #places: Uint32Array;
  /** Address and line after the rows that were cut last. */
  readonly #next: Uint32Array;
  /** Rows with unusual values in the column that was read last, and its values of any type. */
  readonly #odd: Uint32Array;
  readonly #ids: Uint32Array;
  readonly #numbers: Float64Array;
  #window = 0;
  #windowEnd = 0;
  readonly #columns: Column[] = [];
  /** Number of rows that were cut last. */
  count = 0;

  /**
   * @param width number of columns
   * @param separator the byte between values
   */
  constructor(
    readonly width: number,
    readonly separator: number,
  ) {
    this.#maxRows = Math.max(MIN_ROWS, Math.min(MAX_ROWS, Math.floor(MAX_VALUES / width)));
    const layout = new MemoryLayout();
    this.#addresses = {
      values: layout.take(2 * this.#maxRows),
      odd: layout.take(this.#maxRows),
      lines: layout.take(this.#maxRows),
      next: layout.take(2),
      places: layout.take(this.#maxRows * (width + 1) + EXTRA_PLACES),
      window: layout.take((ALIGNED_BYTES + WINDOW_BYTES + PADDING_BYTES) / WORD_BYTES),
    };
    // Memory never grows, so that views stay valid.
    const memory = new WebAssembly.Memory({ initial: layout.pages, maximum: layout.pages, shared: false });
    this.#kernels = instantiateKernels('cells', memory) as CellKernels;
    checkKernels(this.#kernels);
    this.bytes = Buffer.from(memory.buffer);
    this.lines = new Uint32Array(memory.buffer, this.#addresses.lines, this.#maxRows);
    this.#places = new Uint32Array(memory.buffer, this.#addresses.places, this.#maxRows * (width + 1));
    this.#next = new Uint32Array(memory.buffer, this.#addresses.next, 2);
    this.#odd = new Uint32Array(memory.buffer, this.#addresses.odd, this.#maxRows);
    this.#ids = new Uint32Array(memory.buffer, this.#addresses.values, this.#maxRows);
    this.#numbers = new Float64Array(memory.buffer, this.#addresses.values, this.#maxRows);
  }

  /** Copies as many bytes as the window holds; returns their number. */
  fill(bytes: Buffer, begin: number): number {
    this.#window = this.#addresses.window + ((bytes.byteOffset + begin) % ALIGNED_BYTES);
    const count = bytes.copy(this.bytes, this.#window, begin, begin + WINDOW_BYTES);
    this.#windowEnd = this.#window + count;
    this.bytes.fill(0, this.#windowEnd, this.#windowEnd + PADDING_BYTES);
    return count;
  }

  /**
   * Cuts whole lines of `width` values from an offset in the window, until another line.
   * @returns the offset after these lines and blank ones
   */
  cut(offset: number): number {
    const { places, lines, next } = this.#addresses;
    const [begin, end] = [this.#window + offset, this.#windowEnd];
    this.count = this.#kernels.cut(begin, end, this.separator, this.width, this.#maxRows, places, lines, 0, next);
    return this.#next[0]! - this.#window;
  }

  /** Number of lines that were cut last, with blank ones. */
  get numLines(): number {
    return this.#next[1]!;
  }

  /** Returns a row that was cut last, without its line end. */
  line(row: number): Buffer {
    const first = row * (this.width + 1);
    return this.bytes.subarray(this.#places[first]! + 1, this.#places[first + this.width]);
  }

  /** Returns a column of the rows that were cut last. */
  column(c: number): Column {
    return (this.#columns[c] ??= this.#createColumn(c));
  }

  #createColumn(c: number): Column {
    const { bytes, width } = this;
    const kernels = this.#kernels;
    const [begins, ends] = [this.#places.subarray(c), this.#places.subarray(c + 1)];
    const { values, odd: oddRows, places } = this.#addresses;
    const [cell, stride] = [places + WORD_BYTES * c, width + 1];
    return {
      type: 'string',
      text: (row) => cellText(bytes, begins[row * stride]! + 1, ends[row * stride]),
      utf8: { bytes, begins, ends, stride, gap: 1 },
      cut: {
        readIds: (rows, below, { into, first, odd }) => {
          const numOdd = kernels.readIds(cell, WORD_BYTES * stride, rows, below, values, oddRows);
          into.set(this.#ids.subarray(0, rows), first);
          for (let i = 0; i < numOdd; i++) odd[i] = this.#odd[i]!;
          return numOdd;
        },
        readNumbers: (rows) => {
          kernels.readNumbers(cell, WORD_BYTES * stride, rows, values);
          return this.#numbers;
        },
      },
    };
  }
}

/** Memory that is not in use, for the width and the separator that were used last: many files have the same. */
let free: CutRows[] = [];

/** Takes memory for rows; a new one if all that exist are in use. */
export function takeCutRows(width: number, separator: number): CutRows {
  free = free.filter((rows) => rows.width === width && rows.separator === separator);
  return free.pop() ?? new CutRows(width, separator);
}

/** Returns memory that is not in use any more. */
export function returnCutRows(rows: CutRows): void {
  free.push(rows);
}
