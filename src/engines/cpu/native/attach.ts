import type { Apart } from '../../state/apart.js';
import type { Kernels } from '../kernels.js';
import { nativeProducts, type NativeProducts } from './products.js';
import { nativeNorms, type NativeNorms } from './norms.js';
import { reachOf } from './reach.js';
import { nativeRows, type NativeRows } from './rows.js';

/** Interface of addon.c: the processor families of this machine, fastest first, and the kernels of one on a memory. */
export interface Addon {
  families(): readonly string[];
  /** Returns the address of an array, the same in every thread. */
  addressOf(numbers: Uint8Array | Float32Array): number;
  /** Requests huge pages for an array, if it is large. */
  useHugePages(numbers: Float32Array): void;
  /** Attaches kernels, which do not check addresses and sizes. */
  attach(memory: Uint8Array, family: string): NativeProducts & NativeRows & NativeNorms;
}

/**
 * Replaces kernels of an instance by those of the addon. Each takes the same arguments, shares work in the same way and
 * is bitwise identical; it throws if an argument exceeds the memory.
 */
export function attach(
  kernels: Kernels,
  addon: Addon,
  family: string,
  memory: WebAssembly.Memory,
  apart: readonly Apart[] = [],
): Kernels {
  const bytes = new Uint8Array(memory.buffer);
  const native = addon.attach(bytes, family);
  const reach = reachOf(memory);
  const addresses = [
    { at: 0, address: addon.addressOf(bytes), bytes: bytes.byteLength },
    ...apart.map(({ at, floats }) => ({ at, address: addon.addressOf(floats), bytes: floats.byteLength })),
  ];
  for (const { floats } of apart) addon.useHugePages(floats);
  return {
    ...kernels,
    ...nativeProducts(kernels, native, reach),
    ...nativeNorms(kernels, native, reach),
    ...nativeRows(kernels, native, reach, addresses),
  };
}
