import { shift, WORD, type Ref } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import type { Image } from '../state/image.js';
import type { Kernels } from './kernels.js';
import type { CpuMemory } from './memory.js';
import type { Segments } from './segments.js';

/** Size of tables whose rows are known to exist. */
const OF_ANY_SIZE = 0xffffffff;
/** Maximum rows per kernel call. */
const MAX_STAGED_ROWS = 1024;

/** Rows in the kernels' memory, or in a table's own memory. */
interface RowsPlace {
  readonly at: Ref;
  /** Floats from row to row. */
  readonly stride: number;
  readonly width: number;
}

/** Gradients of rows of several tables and processes, in one area of several. */
interface RowGradients {
  readonly segments: Segments;
  /** The rows of each segment, in this process's numbering. */
  readonly rows: Uint32Array;
  readonly gradients: Float32Array;
  readonly area: number;
  readonly areas: number;
}

/** Creates the buffers of a stage, before memory is assigned. */
export function takeStage({ buffers, tables, peers }: Layout): { readonly rows: Ref; readonly elements: Ref } {
  const rows = peers.size === 1 ? 0 : MAX_STAGED_ROWS;
  return {
    rows: buffers.take('staged rows', 'scratch', rows),
    elements: buffers.take('staged elements', 'scratch', rows, Math.max(0, ...tables.all.map(({ width }) => width))),
  };
}

/** Copies rows to and from the kernels' memory in chunks, since exchanges use other memory. */
export class RowStage {
  readonly #layout: Layout;
  readonly #image: Image;
  readonly #kernels: Kernels;
  readonly #rows: number;
  readonly #elements: number;

  /** @param kernels an instance on the plan's memory, for this thread alone */
  constructor(layout: Layout, { image }: CpuMemory, kernels: Kernels) {
    this.#layout = layout;
    this.#image = image;
    this.#kernels = kernels;
    const { rows, elements } = takeStage(layout);
    [this.#rows, this.#elements] = [this.#addressOf(rows), this.#addressOf(elements)];
  }

  /** Copies rows to `out`, consecutively, from index `to` on. */
  copy({ at, stride, width }: RowsPlace, rows: Uint32Array, out: Float32Array, to: number): void {
    const elements = this.#elements / WORD;
    this.#forEachChunk(rows, (count, begin) => {
      this.#kernels.lookup(this.#rows, this.#addressOf(at), OF_ANY_SIZE, stride, width, this.#elements, width, count);
      out.set(this.#image.floats.subarray(elements, elements + count * width), to + begin * width);
    });
  }

  /** Copies rows to a position of the kernels' memory. */
  copyWithin({ at, stride, width }: RowsPlace, rows: Uint32Array, to: Ref): void {
    this.#forEachChunk(rows, (count, begin) => {
      const y = this.#addressOf(shift(to, begin * width));
      this.#kernels.lookup(this.#rows, this.#addressOf(at), OF_ANY_SIZE, stride, width, y, width, count);
    });
  }

  /** Adds gradients of all processes, in rank order, to those that update tables. The first area replaces them. */
  merge(tables: readonly TablePlace[], { segments, rows, gradients, area, areas }: RowGradients): void {
    const { words, wordAt } = this.#image;
    const { size } = this.#layout.peers;
    for (const [t, table] of tables.entries()) {
      let sum = 0;
      for (let r = 0; r < size; r++) sum += segments.count(r, t);
      words[wordAt(table.count) + 2] = Math.min(table.most, sum);
      for (let r = 0; r < size; r++) {
        const [count, row, element] = [segments.count(r, t), segments.rows.begin(r, t), segments.elements.begin(r, t)];
        const own = { area, areas, isFirst: area === 0 && r === 0 };
        this.#add(table, rows.subarray(row, row + count), gradients.subarray(element), own);
      }
    }
  }

  #add(
    { width, claim, hash, distinct, gradients: at, areaWords, count: countAt }: TablePlace,
    rows: Uint32Array,
    gradients: Float32Array,
    { area, areas, isFirst }: { readonly area: number; readonly areas: number; readonly isFirst: boolean },
  ): void {
    const { fresh } = this.#layout.tables;
    const gather = (count: number, isFresh: boolean): void =>
      this.#kernels.gatherGradients(
        this.#addressOf(claim),
        this.#rows,
        this.#elements,
        width,
        width,
        this.#addressOf(hash),
        this.#addressOf(distinct),
        this.#addressOf(shift(at, area * areaWords)),
        area === 0 ? areas : 1,
        areaWords * WORD,
        this.#addressOf(countAt),
        count,
        1,
        this.#addressOf(isFresh ? fresh : shift(fresh, 1)),
        0,
      );
    // A table without looked-up rows is cleared, too.
    if (rows.length === 0) gather(0, isFirst);
    this.#forEachChunk(rows, (count, begin) => {
      const elements = gradients.subarray(begin * width, (begin + count) * width);
      this.#image.floats.set(elements, this.#elements / WORD);
      gather(count, isFirst && begin === 0);
    });
  }

  /** Writes the indices of rows to the kernels' memory, chunk by chunk. */
  #forEachChunk(rows: Uint32Array, visit: (count: number, begin: number) => void): void {
    for (let begin = 0; begin < rows.length; begin += MAX_STAGED_ROWS) {
      const chunk = rows.subarray(begin, begin + MAX_STAGED_ROWS);
      this.#image.words.set(chunk, this.#rows / WORD);
      visit(chunk.length, begin);
    }
  }

  #addressOf(ref: Ref): number {
    return this.#image.wordAt(ref) * WORD;
  }
}
