import type { Apart } from '../../state/apart.js';
import type { Kernels } from '../kernels.js';
import { nativeProducts, type NativeProducts } from './products.js';
import { nativeNorms, type NativeNorms } from './norms.js';
import { reachOf } from './reach.js';
import { nativeRows, type NativeRows } from './rows.js';

/** What addon.c gives: the families of this processor, the fastest first, and the kernels of one on a memory. */
export interface Addon {
  families(): readonly string[];
  /** Where numbers lie, the same in every thread. */
  addressOf(numbers: Uint8Array | Float32Array): number;
  /** Asks for them to lie in huge pages, where they are many. */
  useHugePages(numbers: Float32Array): void;
  /** Addresses and sizes are not looked at any more. */
  attach(memory: Uint8Array, family: string): NativeProducts & NativeRows & NativeNorms;
}

/**
 * The kernels of an instance, those of the addon in the place of its own. Each takes the same arguments, shares work as
 * the other
 * does and leaves the same bits; where an argument would reach beyond the memory, it throws.
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
