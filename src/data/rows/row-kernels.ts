import { instantiateKernels } from '../../io/kernel-module.js';
import { checkKernels, type MemoryLayout } from '../readers/memory-layout.js';

/** The kernels of src/kernels/rows. Addresses are byte offsets in their memory. */
export interface RowKernels {
  heapBase(): number;
  findItems(offsets: number, order: number, count: number, spans: number, into: number): void;
  copyItems(spans: number, begin: number, end: number, items: number, into: number): void;
  joinColumns(a: number, b: number, c: number, d: number, rows: number, into: number): void;
  partColumns(joined: number, order: number, count: number, a: number, b: number, c: number, d: number): void;
  largest(words: number, count: number, mask: number): number;
}

/** Kernels with a shared memory of their own. */
export interface RowMemory {
  readonly kernels: RowKernels;
  readonly words: Uint32Array;
  readonly buffer: ArrayBufferLike;
}

/** Kernels of this thread, by the buffer of their memory. */
const kernelsOf = new WeakMap<ArrayBufferLike, RowKernels>();

/** Creates a memory of at most 4 GiB, with kernels. */
export function createRowMemory({ pages }: MemoryLayout): RowMemory {
  // The module was built for this maximum.
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65_536, shared: true });
  const kernels = instantiateKernels('rows', memory) as RowKernels;
  checkKernels(kernels);
  kernelsOf.set(memory.buffer, kernels);
  return { kernels, words: new Uint32Array(memory.buffer), buffer: memory.buffer };
}

/**
 * Computes the maximum of the first `count` words of an array, masked; undefined if the array is not in the memory of
 * kernels.
 * @param mask default: all bits
 */
export function largestWord(
  { buffer, byteOffset }: Uint32Array | Float32Array,
  count: number,
  mask = 0xffffffff,
): number | undefined {
  const largest = kernelsOf.get(buffer)?.largest(byteOffset, count, mask);
  return largest && largest >>> 0;
}
