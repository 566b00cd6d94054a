import { readFileSync } from 'node:fs';

/** The kernels of src/kernels/rows; places are those of bytes in their memory. */
export interface RowKernels {
  heapBase(): number;
  findItems(offsets: number, order: number, count: number, spans: number, into: number): void;
  copyItems(spans: number, begin: number, end: number, items: number, into: number): void;
  joinColumns(a: number, b: number, c: number, d: number, rows: number, into: number): void;
  partColumns(joined: number, order: number, count: number, a: number, b: number, c: number, d: number): void;
  largest(words: number, count: number, mask: number): number;
}

/** Kernels on a memory of their own, which threads share. */
export interface RowMemory {
  readonly kernels: RowKernels;
  readonly words: Uint32Array;
  readonly buffer: ArrayBufferLike;
}

/** Where things lie in a memory that is yet to be made, in bytes. */
export interface RowPlaces {
  /** Takes so many words, and some behind them that kernels may read and write. */
  take(words: number): number;
  readonly bytes: number;
}

export const WORD = 4;
const PAGE_BYTES = 1 << 16;
/** Bytes that kernels read and write at once: up to so many lie behind what they are asked for. */
const AT_ONCE = 16;

let compiled: WebAssembly.Module | undefined;
/** Of this thread, by their memories. */
const kernelsOf = new WeakMap<ArrayBufferLike, RowKernels>();

/** Places behind what belongs to the kernels themselves. */
export function rowPlaces(): RowPlaces {
  let bytes = PAGE_BYTES;
  return {
    take(words) {
      const at = bytes;
      bytes += (Math.ceil((words * WORD) / AT_ONCE) + 1) * AT_ONCE;
      return at;
    },
    get bytes() {
      return bytes;
    },
  };
}

/** A memory of so many bytes, 4 GiB at the most, with kernels on it. */
export function createRowMemory(bytes: number): RowMemory {
  // The build's folder is as far from the sources as from what is built of them.
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../../dist/rows.wasm', import.meta.url)));
  // The most is what the module was built for.
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES), maximum: 65_536, shared: true });
  // The border to wasm: what the module exports is what src/kernels/rows says.
  const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as RowKernels;
  if (kernels.heapBase() > PAGE_BYTES) throw new Error('the kernels require more than one page of memory');
  kernelsOf.set(memory.buffer, kernels);
  return { kernels, words: new Uint32Array(memory.buffer), buffer: memory.buffer };
}

/**
 * The largest of the first `count` words of an array, with only the bits of a mask, where kernels reach it; else
 * undefined.
 * @param mask all bits where it is left out
 */
export function largestWord(
  { buffer, byteOffset }: Uint32Array | Float32Array,
  count: number,
  mask = 0xffffffff,
): number | undefined {
  const largest = kernelsOf.get(buffer)?.largest(byteOffset, count, mask);
  return largest && largest >>> 0;
}
