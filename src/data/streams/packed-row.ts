import type { CellBytes } from './cell-bytes.js';
import { allocateMemory, growMemory, type Memory } from './spilled-rows.js';

// A packed row has one word per column with the end of its value, counted from the end of these words, and then the
// values as UTF-8. It is padded to whole words.

const FIRST_BYTES = 1 << 10;

/** Packs rows, one at a time. */
export class RowPacker {
  readonly #numColumns: number;
  /** The last row, from offset 0. */
  memory: Memory = allocateMemory(FIRST_BYTES);
  numWords = 0;

  constructor(numColumns: number) {
    this.#numColumns = numColumns;
  }

  /** @throws InvalidValueError for a value without a text */
  pack(cells: readonly CellBytes[], row: number): void {
    let { bytes, words } = this.memory;
    const first = 4 * this.#numColumns;
    let at = first;
    for (let c = 0; c < cells.length; c++) {
      const cell = cells[c]!;
      cell.read(row);
      const { bytes: from, begin, end } = cell;
      if (at + end - begin > bytes.length) ({ bytes, words } = this.memory = growMemory(this.memory, at + end - begin));
      for (let i = begin; i < end; i++) bytes[at++] = from[i]!;
      words[c] = at - first;
    }
    this.numWords = (at + 3) >> 2;
  }
}

/** Returns the offset of a value of a packed row at an offset. */
export function beginOfValue({ words }: Memory, offset: number, numColumns: number, column: number): number {
  return offset + 4 * numColumns + (column === 0 ? 0 : words[(offset >> 2) + column - 1]!);
}

/** Returns the offset after a value of a packed row at an offset. */
export function endOfValue({ words }: Memory, offset: number, numColumns: number, column: number): number {
  return offset + 4 * numColumns + words[(offset >> 2) + column]!;
}
