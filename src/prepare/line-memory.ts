import { readFileSync } from 'node:fs';

/** The kernels of src/kernels/lines; places are those of bytes in their memory. */
interface LineKernels {
  heapBase(): number;
  beginRow(table: number): void;
  readFeatures(table: number, begin: number): number;
  addValue(table: number, field: number, id: number, weight: number): number;
  endRow(table: number): void;
  narrow(ids: number, count: number): void;
  widen(ids: number, count: number): void;
}

/** The memory of a thread that reads raw lines, and the kernels that work on it. */
export interface LineMemory {
  readonly kernels: LineKernels;
  /** Memory of its own for so many bytes, at a multiple of 64. Views of it stay; what was taken is not given back. */
  take(bytes: number): number;
  /** All memory that there is up to now. */
  readonly buffer: SharedArrayBuffer;
}

const FIRST_PAGES = 64;
/** As src/kernels/lines is built. */
const MAX_PAGES = 65_536;
const PAGE_BYTES = 1 << 16;

let compiled: WebAssembly.Module | undefined;

/** Memory with nothing in it. */
export function createLineMemory(): LineMemory {
  // The build's folder is as far from the sources as from what is built of them.
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../dist/lines.wasm', import.meta.url)));
  // Shared, for that of one thread is taken from all who look at it where it grows.
  const memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MAX_PAGES, shared: true });
  // The border to wasm: what the module exports is what src/kernels/lines says.
  const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as LineKernels;
  let free = kernels.heapBase();
  return {
    kernels,
    take(bytes) {
      const place = Math.ceil(free / 64) * 64;
      free = place + bytes;
      const missing = free - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
      return place;
    },
    get buffer() {
      return memory.buffer;
    },
  };
}
