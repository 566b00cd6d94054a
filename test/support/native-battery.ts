import fc from 'fast-check';
import { expect } from 'vitest';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createMemory, instantiateNative, instantiateWasm, PAGE_BYTES } from '../../src/engines/cpu/module.js';
import { ADDON } from './native.js';

const WASM = loadKernels(true, 'wasm');

/** Runs kernels on a memory; results are the bytes from `BEGIN` on. */
export type Work<Shape> = (kernels: Kernels, memory: WebAssembly.Memory, shape: Shape) => void;

/** A shared memory with some 64 KiB pages from `BEGIN` on. */
export const memoryOf = (pages: number): WebAssembly.Memory => createMemory(BEGIN + pages * PAGE_BYTES);

/** WebAssembly kernels on a memory. */
export const wasmOn = (memory: WebAssembly.Memory): Kernels => instantiateWasm(WASM.module, memory).kernels;

/** Kernels on a memory, with the native ones of a processor family. */
export const nativeOn = (memory: WebAssembly.Memory, family: string): Kernels =>
  instantiateNative({ path: ADDON.path, family }, memory).kernels;

/**
 * Compares native kernels with WebAssembly: work of random shapes leaves the same bytes in memories of `pages` pages.
 */
export function expectSameBytes<Shape>(
  family: string,
  pages: number,
  shapes: fc.Arbitrary<Shape>,
  numRuns: number,
  work: Work<Shape>,
): void {
  const [one, other] = [memoryOf(pages), memoryOf(pages)];
  const [wasm, native] = [wasmOn(one), nativeOn(other, family)];
  fc.assert(
    fc.property(shapes, (shape) => {
      work(wasm, one, shape);
      work(native, other, shape);
      expect(Buffer.compare(new Uint8Array(one.buffer, BEGIN), new Uint8Array(other.buffer, BEGIN))).toBe(0);
    }),
    { numRuns },
  );
}

/**
 * Expects both builds to skip a step if, and only if, the square of a gradient element is not finite. `work` leaves the
 * flag at `BEGIN`.
 */
export function expectRefusals(family: string, pages: number, work: Work<number>): void {
  for (const [largest, isRefused] of [
    [1e9, 0],
    [2 ** 60, 0],
    [2 ** 64, 1],
    [3e38, 1],
    [Infinity, 1],
    [NaN, 1],
  ] as const) {
    for (const kernelsOn of [wasmOn, nativeOn]) {
      const memory = memoryOf(pages);
      const kernels = kernelsOn(memory, family);
      kernels.join(0, 1, 0);
      work(kernels, memory, largest);
      expect([largest, kernelsOn.name, new Uint32Array(memory.buffer)[BEGIN / 4]]).toEqual([
        largest,
        kernelsOn.name,
        isRefused,
      ]);
    }
  }
}
