import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { createMemory, instantiateAlone } from '../../src/engines/cpu/module.js';
import { nativeNorms, type NativeNorms } from '../../src/engines/cpu/native/norms.js';
import { nativeProducts, type NativeProducts } from '../../src/engines/cpu/native/products.js';
import type { Reach } from '../../src/engines/cpu/native/reach.js';
import { nativeRows, type NativeRows } from '../../src/engines/cpu/native/rows.js';
import { columnsOf, shareOf, type Share } from '../../src/engines/cpu/shares.js';

const WORD = 4;
const THREADS = [1, 3, 64];
const LARGEST = 2 ** 31 - 1;
const { module } = loadKernels(true, 'wasm');
const kernels = instantiateAlone(module, createMemory(4 * 65_536));

/** Returns the shares of all workers, in order. */
function sharesOf(threads: number, share: () => Share): readonly Share[] {
  return Array.from({ length: threads }, (_, self) => {
    kernels.join(self, threads, 0);
    return share();
  });
}

/** Expects each item in one share, and shares that differ by at most one unit. */
function expectPartition(shares: readonly Share[], count: number, unit: number): void {
  expect(shares.map(({ begin }) => begin)).toEqual([0, ...shares.slice(0, -1).map(({ end }) => end)]);
  expect(shares.at(-1)!.end).toBe(count);
  const units = shares.map(({ begin, end }) => Math.ceil((end - begin) / unit));
  expect(shares.filter(({ begin }) => begin % unit !== 0 && begin !== count)).toEqual([]);
  expect(Math.max(...units) - Math.min(...units)).toBeLessThanOrEqual(1);
}

const NO_BOUNDS: Reach = { words: new Uint32Array(16), hold: () => undefined };
const notCalled = (): never => {
  throw new Error('not called');
};

/** Returns the shares that native kernels receive, by kernel. */
const NATIVE: Readonly<Record<string, (rows: number) => Share>> = {
  gemm(rows) {
    const found: Share[] = [];
    const native: NativeProducts = {
      gemm: (...[, , , , , , begin, end]) => void found.push({ begin, end }),
      gemmGradient: notCalled,
    };
    nativeProducts(kernels, native, NO_BOUNDS).gemm(0, 1, 0, 0, 0, 8, rows, 1, 1, 0);
    return found[0]!;
  },
  lookup(rows) {
    const found: Share[] = [];
    const native: NativeRows = {
      lookup: (...[, , , , , , , begin, end]) => found.push({ begin, end }),
      lookupBags: notCalled,
      gatherGradients: notCalled,
      gatherBagGradients: notCalled,
      updates: {},
    };
    nativeRows(kernels, native, NO_BOUNDS, [{ at: 0, address: 0, bytes: WORD }]).lookup(0, 0, 1, 1, 0, 1, rows);
    return found[0]!;
  },
};

describe.each(THREADS)('the work of %i threads', (threads) => {
  const counts = [1, 5, 63, 1000, 33_554_432, 34_000_000, LARGEST];

  it.each([1, 4, 16])('covers each item once and is balanced, in units of %i', (unit) => {
    for (const count of counts) {
      expectPartition(
        sharesOf(threads, () => ({ begin: kernels.shareBegin(count, unit), end: kernels.shareEnd(count, unit) })),
        count,
        unit,
      );
      expectPartition(
        sharesOf(threads, () => shareOf(kernels, count, unit)),
        count,
        unit,
      );
    }
  });

  it('covers each item once beyond 31 bits', () => {
    for (const count of [2 ** 31, 2 ** 32 - 1])
      expectPartition(
        sharesOf(threads, () => shareOf(kernels, count, 1)),
        count,
        1,
      );
  });

  it.each(Object.keys(NATIVE))('covers each row once and is balanced in the native %s', (name) => {
    for (const count of counts.filter((rows) => rows >= 1000))
      expectPartition(
        sharesOf(threads, () => NATIVE[name]!(count)),
        count,
        4,
      );
  });

  it('covers each column once, and no cache line has columns of two workers', () => {
    const [slot, slots] = [40_000_000, 110_000_000];
    const columns = (slots - slot - 3) * 16 - 7;
    const native: NativeNorms = {
      normalize: (...args) => void found.push({ begin: args[10], end: args[11] }),
      normalizeGradient: notCalled,
    };
    const found: Share[] = [];
    const norm = (): Share => {
      // A kernel is not called for an empty share.
      nativeNorms(kernels, native, NO_BOUNDS).normalize(0, 0, 0, 0, 0, 0, 0, 0, 100, columns, 0, 0, slot, slots);
      return found.pop() ?? columnsOf(kernels, columns, slot, slots);
    };
    for (const share of [norm, () => columnsOf(kernels, columns, slot, slots)]) {
      const shares = sharesOf(threads, share);
      expect(shares.map(({ begin }) => begin)).toEqual([0, ...shares.slice(0, -1).map(({ end }) => end)]);
      expect(shares.at(-1)!.end).toBe(columns);
      expect(shares.filter(({ begin }) => begin % 16 !== 0)).toEqual([]);
    }
  });
});

describe('64 threads on 34,000,000 rows', () => {
  it('exchange every row with its average', () => {
    const [threads, rows] = [64, 34_000_000];
    const memory = createMemory(rows * WORD + 4 * 65_536);
    const own = instantiateAlone(module, memory);
    const clock = Math.ceil(own.heapBase() / 8) * 8;
    new Float64Array(memory.buffer, clock, 2).set([0.5, 1]);
    // A row without weights is one word: the number of steps that its average covers, which the exchange updates.
    const [table, stride, width, average] = [clock + 64, 1, 0, 0];
    for (let self = 0; self < threads; self++) {
      own.join(self, threads, 0);
      own.exchangeRows(table, stride, width, average, rows, clock);
    }
    const covered = new Uint32Array(memory.buffer, table, rows).reduce((sum, steps) => sum + steps, 0);
    expect(covered).toBe(rows);
  });
});
