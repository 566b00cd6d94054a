import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { createMemory, instantiateWasm } from '../../src/engines/cpu/module.js';
import { needsAddon } from '../support/native.js';
import { scratchFolder } from '../support/scratch.js';

const WORD = 4;
const THREADS = [1, 3, 64];
const COUNTS = [1, 5, 63, 1000, 33_554_432, 34_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

interface Share {
  readonly begin: number;
  readonly end: number;
}

/** Compiles team.c and shares.c; returns a function that lists the shares of all workers. */
function compileShares(): (...numbers: readonly number[]) => readonly Share[] {
  const program = join(scratchFolder(), 'shares');
  const kernels = join(import.meta.dirname, '..', '..', 'src', 'kernels');
  const source = join(import.meta.dirname, '..', 'support', 'shares.c');
  execFileSync('cc', ['-fsanitize=undefined', '-I', kernels, join(kernels, 'team.c'), source, '-o', program]);
  return (...numbers) =>
    execFileSync(program, numbers.map(String), { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => {
        const [begin, end] = line.split(' ').map(Number);
        return { begin: begin!, end: end! };
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

describe('the shares of C kernels', () => {
  it(
    'cover each item once and are balanced, for up to 64 threads and 2^32 - 1 items',
    { tags: ['long'] },
    (context) => {
      needsAddon(context);
      const sharesOf = compileShares();
      for (const threads of THREADS)
        for (const unit of [1, 4, 16])
          for (const count of COUNTS) expectPartition(sharesOf(threads, count, unit), count, unit);
    },
  );

  it('cover each column once, and no cache line has columns of two workers', (context) => {
    needsAddon(context);
    const sharesOf = compileShares();
    const [slot, slots] = [40_000_000, 110_000_000];
    const columns = (slots - slot - 3) * 16 - 7;
    for (const threads of THREADS) {
      const shares = sharesOf(threads, columns, slot, slots);
      expect(shares.map(({ begin }) => begin)).toEqual([0, ...shares.slice(0, -1).map(({ end }) => end)]);
      expect(shares.at(-1)!.end).toBe(columns);
      expect(shares.filter(({ begin }) => begin % 16 !== 0)).toEqual([]);
    }
  });
});

describe('64 threads on 34,000,000 rows', () => {
  it('exchange every row with its average', { tags: ['long'] }, () => {
    const [threads, rows] = [64, 34_000_000];
    const memory = createMemory(BEGIN + rows * WORD + 65_536);
    const { kernels } = instantiateWasm(loadKernels(true, 'wasm').module, memory);
    new Float64Array(memory.buffer, BEGIN, 2).set([0.5, 1]);
    // A row without weights is one word: the number of steps that its average covers, which the exchange updates.
    const [table, stride, width, average] = [BEGIN + 64, 1, 0, 0];
    for (let self = 0; self < threads; self++) {
      kernels.join(self, threads, 0);
      kernels.exchangeRows(table, stride, width, average, rows, BEGIN, BEGIN);
    }
    const covered = new Uint32Array(memory.buffer, table, rows).reduce((sum, steps) => sum + steps, 0);
    expect(covered).toBe(rows);
  });
});
