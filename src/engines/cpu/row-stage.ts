import { shift, WORD, type Ref } from '../compile/buffers.js';
import type { Kernels } from './kernels.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import type { CpuMemory } from './memory.js';

/** Maximum rows per kernel call. */
const STAGED = 1024;

/** Rows in the kernels' memory, or in a table's own memory. */
export interface RowsPlace {
  readonly at: Ref;
  /** Floats from row to row. */
  readonly stride: number;
  readonly width: number;
}

/** Copies rows to and from the kernels' memory in chunks, since exchanges use other memory. */
export interface RowStage {
  /** Copies rows to `out`, consecutively, from index `to` on. */
  copy(from: RowsPlace, rows: Uint32Array, out: Float32Array, to: number): void;
  /** Copies rows to a position of the kernels' memory. */
  copyWithin(from: RowsPlace, rows: Uint32Array, to: Ref): void;
  /**
   * Adds gradients of rows to those that update a table, in one area.
   * @param isFirst whether these are the first of a step
   */
  add(
    table: TablePlace,
    rows: Uint32Array,
    gradients: Float32Array,
    area: number,
    areas: number,
    isFirst: boolean,
  ): void;
}

/** Creates the buffers of a stage, before memory is assigned. */
export function takeStage({ buffers, tables, peers }: Layout): { readonly rows: Ref; readonly numbers: Ref } {
  const staged = peers.size === 1 ? 0 : STAGED;
  return {
    rows: buffers.take('staged rows', 'scratch', staged),
    numbers: buffers.take('staged numbers', 'scratch', staged, Math.max(0, ...tables.all.map(({ width }) => width))),
  };
}

/**
 * Creates a stage in a plan's memory.
 * @param kernels an instance on it, for this thread alone
 */
export function createRowStage(
  layout: Layout,
  { image: { floats, words, wordAt } }: CpuMemory,
  kernels: Kernels,
): RowStage {
  const addressOf = (ref: Ref): number => wordAt(ref) * WORD;
  const taken = takeStage(layout);
  const stage = { rows: addressOf(taken.rows), numbers: addressOf(taken.numbers) };

  /** Writes the indices of rows to the kernels' memory, chunk by chunk. */
  const inParts = (rows: Uint32Array, work: (count: number, done: number) => void): void => {
    for (let done = 0; done < rows.length; done += STAGED) {
      const count = Math.min(STAGED, rows.length - done);
      words.set(rows.subarray(done, done + count), stage.rows / WORD);
      work(count, done);
    }
  };
  return {
    copy({ at, stride, width }, rows, out, to) {
      inParts(rows, (count, done) => {
        kernels.lookup(stage.rows, addressOf(at), stride, width, stage.numbers, width, count);
        out.set(floats.subarray(stage.numbers / WORD, stage.numbers / WORD + count * width), to + done * width);
      });
    },
    copyWithin({ at, stride, width }, rows, to) {
      inParts(
        rows,
        (count, done) =>
          void kernels.lookup(
            stage.rows,
            addressOf(at),
            stride,
            width,
            addressOf(shift(to, done * width)),
            width,
            count,
          ),
      );
    },
    add(
      { width, claim, hash, distinct, gradients: at, areaWords, count: countAt },
      rows,
      gradients,
      area,
      areas,
      isFirst,
    ) {
      const { fresh } = layout.tables;
      const gather = (count: number, isFresh: boolean): void =>
        void kernels.gatherGradients(
          addressOf(claim),
          stage.rows,
          stage.numbers,
          width,
          width,
          addressOf(hash),
          addressOf(distinct),
          addressOf(shift(at, area * areaWords)),
          area === 0 ? areas : 1,
          areaWords * WORD,
          addressOf(countAt),
          count,
          1,
          addressOf(isFresh ? fresh : shift(fresh, 1)),
        );
      // A table without looked-up rows is cleared, too.
      if (rows.length === 0) gather(0, isFirst);
      inParts(rows, (count, done) => {
        floats.set(gradients.subarray(done * width, (done + count) * width), stage.numbers / WORD);
        gather(count, isFirst && done === 0);
      });
    },
  };
}
