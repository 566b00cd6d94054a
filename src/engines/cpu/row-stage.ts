import { WORD } from '../compile/arena.js';
import type { Kernels } from './kernels.js';
import type { Laid } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';

/** Rows that are given to a kernel at once. */
const STAGED = 1024;

/** Rows that lie somewhere in the kernels' memory, or in a table apart. */
export interface RowsPlace {
  readonly at: number;
  /** Floats from row to row. */
  readonly stride: number;
  readonly width: number;
}

/** Brings rows to where kernels reach them, some at a time, since what is exchanged lies elsewhere. */
export interface RowStage {
  /** Copies rows of a place one behind the other, to `out` from a number on. */
  copy(from: RowsPlace, rows: Uint32Array, out: Float32Array, to: number): void;
  /** Copies them to an address of the kernels' memory. */
  copyWithin(from: RowsPlace, rows: Uint32Array, to: number): void;
  /**
   * Adds gradients of rows to those that a table is updated by, in one of so many areas.
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

/** Room for them in a plan's memory. */
export function takeStage({ arena, tables, peers }: Laid): { readonly rows: number; readonly numbers: number } {
  const staged = peers.size === 1 ? 0 : STAGED;
  return {
    rows: arena.take('staged rows', staged),
    numbers: arena.take('staged numbers', staged * Math.max(0, ...tables.all.map(({ width }) => width))),
  };
}

/**
 * A stage in a plan's memory.
 * @param kernels an instance on it, of this thread alone
 */
export function createRowStage(laid: Laid, memory: WebAssembly.Memory, kernels: Kernels): RowStage {
  const stage = takeStage(laid);
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);

  /** Puts the numbers of some rows after the other where kernels read them. */
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
        kernels.lookup(stage.rows, at, stride, width, stage.numbers, width, count);
        out.set(floats.subarray(stage.numbers / WORD, stage.numbers / WORD + count * width), to + done * width);
      });
    },
    copyWithin({ at, stride, width }, rows, to) {
      inParts(
        rows,
        (count, done) => void kernels.lookup(stage.rows, at, stride, width, to + done * width * WORD, width, count),
      );
    },
    add(
      { width, claim, hash, distinct, gradients: at, areaBytes, count: countAt },
      rows,
      gradients,
      area,
      areas,
      isFirst,
    ) {
      const { fresh } = laid.tables;
      const gather = (count: number, isFresh: boolean): void =>
        void kernels.gatherGradients(
          claim,
          stage.rows,
          stage.numbers,
          width,
          width,
          hash,
          distinct,
          at + area * areaBytes,
          area === 0 ? areas : 1,
          areaBytes,
          countAt,
          count,
          1,
          isFresh ? fresh : fresh + WORD,
        );
      // A table that nobody looked anything up in has to hear of it too.
      if (rows.length === 0) gather(0, isFirst);
      inParts(rows, (count, done) => {
        floats.set(gradients.subarray(done * width, (done + count) * width), stage.numbers / WORD);
        gather(count, isFirst && done === 0);
      });
    },
  };
}
