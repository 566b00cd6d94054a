import { instantiateKernels } from '../io/kernel-module.js';

/** The kernels of src/kernels/lines; addresses are byte offsets in their memory. */
interface LineKernels {
  heapBase(): number;
  beginRow(table: number): void;
  readFeatures(table: number, begin: number): number;
  addValue(table: number, field: number, id: number, weight: number): number;
  endRow(table: number): void;
  narrow(ids: number, count: number): void;
  widen(ids: number, count: number): void;
}

/** The memory of a thread that reads raw lines, and its kernels. */
export interface LineMemory {
  readonly kernels: LineKernels;
  /** Allocates bytes at a multiple of 64. Views remain valid; nothing is freed. */
  take(bytes: number): number;
  /** All memory so far. */
  readonly buffer: SharedArrayBuffer;
}

const FIRST_PAGES = 64;
/** As in the build of src/kernels/lines. */
const MAX_PAGES = 65_536;
const PAGE_BYTES = 1 << 16;

/** Creates the memory that line kernels work on. */
export function createLineMemory(): LineMemory {
  // Shared, since growing non-shared memory detaches all views of it.
  const memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: MAX_PAGES, shared: true });
  const kernels = instantiateKernels('lines', memory) as LineKernels;
  let free = kernels.heapBase();
  return {
    kernels,
    take(bytes) {
      const address = Math.ceil(free / 64) * 64;
      free = address + bytes;
      const missing = free - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
      return address;
    },
    get buffer() {
      return memory.buffer;
    },
  };
}
