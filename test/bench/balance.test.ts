/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { balanceOf, timeCalls, workerOf } from '../../bench/balance.js';
import { WORKLOADS } from '../../bench/workloads.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { createMemory, instantiateWasm } from '../../src/engines/cpu/module.js';

/** Returns the distinct rows, of 500, to which a worker adds gradients. */
function rowsOfWorker(self: number, width: number, threads: number): readonly number[] {
  const rows = 500;
  const memory = createMemory(BEGIN + 4 * 65_536);
  const { kernels } = instantiateWasm(loadKernels(true, 'wasm').module, memory);
  const [numbers, d, gradients] = [BEGIN, BEGIN + 4096, BEGIN + 4096 + 4 * rows * width];
  new Uint32Array(memory.buffer, numbers, rows).set(Array.from({ length: rows }, (_, row) => row));
  new Float32Array(memory.buffer, d, rows * width).fill(1);
  kernels.join(self, threads, 0);
  kernels.addGradients(numbers, d, width, width, gradients, 1, 0, rows, threads);
  const sums = new Float32Array(memory.buffer, gradients, rows * width);
  return Array.from({ length: rows }, (_, row) => row).filter((row) => sums[row * width] === 1);
}

describe('the balance of a training step', () => {
  it('deals the rows of a shared table as kernels do', () => {
    for (const [width, threads] of [
      [3, 3],
      [16, 8],
      [18, 64],
    ] as const)
      for (const self of [0, 1, threads - 1])
        expect(rowsOfWorker(self, width, threads)).toEqual(
          Array.from({ length: 500 }, (_, row) => row).filter((row) => workerOf(row, width, threads) === self),
        );
  });

  it('is 1 for one worker, and lower for more', async () => {
    const work = WORKLOADS.find(({ name }) => name === 'esmm-one-table')!;
    const small = { ...work, batchRows: 256 };
    const times = await timeCalls(small, 4);
    expect(balanceOf(small, times, 1)).toBeCloseTo(1, 6);
    const [few, many] = [balanceOf(small, times, 4), balanceOf(small, times, 64)];
    expect(few).toBeLessThan(1);
    expect(many).toBeGreaterThan(0);
    expect(many).toBeLessThan(few);
  });
});
