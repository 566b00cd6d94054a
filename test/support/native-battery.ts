import fc from 'fast-check';
import { expect } from 'vitest';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { instantiate } from '../../src/engines/cpu/module.js';
import { openAddon } from '../../src/engines/cpu/native/addon.js';
import { hasSameBits } from '../../src/engines/cpu/native/find.js';
import { attach, type Addon } from '../../src/engines/cpu/native/attach.js';
import { ADDON } from './native.js';

const WASM = loadKernels(true, 'wasm');

/** First byte of kernel memory; WebAssembly uses the bytes before it. */
export const BEGIN = 65_536;

/** Runs kernels on a memory; results are the bytes from `BEGIN` on. */
export type Work<Shape> = (kernels: Kernels, memory: WebAssembly.Memory, shape: Shape) => void;

/** A shared memory of some 64 KiB pages. */
export const memoryOf = (pages: number): WebAssembly.Memory =>
  new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

/** WebAssembly kernels on a memory. */
export const wasmOn = (memory: WebAssembly.Memory): Kernels => instantiate(WASM, memory);

/** Kernels on a memory, with the native ones of a processor family. */
export const nativeOn = (memory: WebAssembly.Memory, family: string): Kernels =>
  attach(wasmOn(memory), openAddon(ADDON.path), family, memory);

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

/** Checks whether a family's kernels still pass as WebAssembly's if some of them are replaced. */
export function passesWith(
  family: string,
  change: (attached: ReturnType<Addon['attach']>) => Partial<ReturnType<Addon['attach']>>,
): boolean {
  const addon = openAddon(ADDON.path);
  return hasSameBits(
    {
      ...addon,
      attach: (...args) => {
        const attached = addon.attach(...args);
        return { ...attached, ...change(attached) };
      },
    },
    family,
    wasmOn,
  );
}
