import fc from 'fast-check';
import { expect } from 'vitest';
import type { Kernels } from '../../src/engines/simd/kernels.js';
import { loadKernels } from '../../src/engines/simd/load-kernels.js';
import { instantiate } from '../../src/engines/simd/module.js';
import { openAddon } from '../../src/engines/simd/native/addon.js';
import { hasSameBits } from '../../src/engines/simd/native/find.js';
import { attach, type Addon } from '../../src/engines/simd/native/attach.js';
import { ADDON } from './native.js';

const WASM = loadKernels(true, 'wasm');

/** The first byte that kernels have; what lies before it is WebAssembly's own. */
export const BEGIN = 65_536;

/** Does some work with some kernels on a memory: what lies in it from `BEGIN` on is what counts. */
export type Work<Shape> = (kernels: Kernels, memory: WebAssembly.Memory, shape: Shape) => void;

/** A memory of some pages of 64 KiB, as workers share it. */
export const memoryOf = (pages: number): WebAssembly.Memory =>
  new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

/** WebAssembly's kernels on a memory. */
export const wasmOn = (memory: WebAssembly.Memory): Kernels => instantiate(WASM, memory);

/** The kernels on a memory, those of a family of processors native. */
export const nativeOn = (memory: WebAssembly.Memory, family: string): Kernels =>
  attach(wasmOn(memory), openAddon(ADDON.path), family, memory);

/**
 * Holds native kernels to WebAssembly's: on a memory of `pages` each, work of random shapes leaves the same bytes in
 * all of it.
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
 * Expects both builds to refuse a step where a number of its gradient has a square that is not finite, and only then.
 * `work` leaves at `BEGIN` whether it is refused.
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

/** Whether a family's kernels still pass for WebAssembly's when some of them are replaced. */
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
