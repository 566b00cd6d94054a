export const WORD_BYTES = 4;
export const PAGE_BYTES = 1 << 16;
/** Bytes of a vector register: kernels may read and write as many after the end of an array. */
const VECTOR_BYTES = 16;

/** Addresses of arrays in a memory that is created later; the first page belongs to the kernels. */
export class MemoryLayout {
  bytes = PAGE_BYTES;

  /** Returns the address of an array. */
  take(words: number): number {
    const address = this.bytes;
    this.bytes += (Math.ceil((words * WORD_BYTES) / VECTOR_BYTES) + 1) * VECTOR_BYTES;
    return address;
  }

  /** Number of pages of the memory. */
  get pages(): number {
    return Math.ceil(this.bytes / PAGE_BYTES);
  }
}

/** @throws Error if kernels need more than the first page, which is a bug */
export function checkKernels({ heapBase }: { heapBase(): number }): void {
  if (heapBase() > PAGE_BYTES) throw new Error('the kernels require more than one page of memory');
}
