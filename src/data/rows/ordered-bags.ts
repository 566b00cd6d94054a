import { readFileSync } from 'node:fs';
import type { BagColumn } from '../../batch.js';
import { gatherBags, reserveItems, type BagBuffer } from './bag-buffer.js';

/** The kernels of src/kernels/rows; places are those of bytes in their memory. */
interface RowKernels {
  heapBase(): number;
  findItems(offsets: number, order: number, count: number, spans: number, into: number): void;
  copyItems(spans: number, begin: number, end: number, items: number, into: number): void;
}

/** Copies the bags of the rows that the first `count` numbers of `order` name to the start of `target`, in that order. */
export type BagGather = (source: BagColumn, rows: number, order: Uint32Array, count: number, target: BagBuffer) => void;

/** The same without a kernel. */
export const gatherPlainly: BagGather = (source, _, order, count, target) => gatherBags(source, order, 0, count, target);

const WORD = 4;
const PAGE_BYTES = 1 << 16;
/** Bytes that kernels read and write at once: up to so many lie behind what they are asked for. */
const AT_ONCE = 16;
/** Items that are written together: they are near until they are taken to where they belong. */
const PART_ITEMS = 1 << 14;
/** More than a column takes in a window of any usual size. */
const MOST_BYTES = 2 ** 28;

let compiled: WebAssembly.Module | undefined;

/**
 * Puts bags in order by kernels that a column is brought to and taken from, many times as fast as one by one where they are far apart.
 * Their memory is as large as the largest column so far has needed.
 * @param mostBytes of that memory: columns beyond go the plain way
 */
export function createBagGather(mostBytes = MOST_BYTES): BagGather {
  let kernels: RowKernels | undefined;
  let words: Uint32Array = new Uint32Array(0);

  /** Kernels whose memory has room. One that has not is left for a larger one: views of a memory that grows are lost. */
  const kernelsFor = (bytes: number): RowKernels => {
    if (kernels !== undefined && bytes <= words.byteLength) return kernels;
    // The build's folder is as far from the sources as from what is built of them.
    compiled ??= new WebAssembly.Module(readFileSync(new URL('../../../dist/rows.wasm', import.meta.url)));
    const pages = Math.ceil((1.25 * bytes) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: false });
    words = new Uint32Array(memory.buffer);
    // The border to wasm: what the module exports is what src/kernels/rows says.
    return (kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as RowKernels);
  };

  return (source, rows, order, count, target) => {
    const numItems = source.offsets[rows]!;
    const sizes = [rows + 1, count, 2 * count, count + 1, numItems, PART_ITEMS].map((size) => (Math.ceil((size * WORD) / AT_ONCE) + 1) * AT_ONCE);
    const bytes = sizes.reduce((sum, size) => sum + size, PAGE_BYTES);
    if (bytes > mostBytes) return gatherPlainly(source, rows, order, count, target);
    const { heapBase, findItems, copyItems } = kernelsFor(bytes);
    let free = Math.ceil(heapBase() / AT_ONCE) * AT_ONCE;
    const [offsets, places, spans, into, items, part] = sizes.map((size) => (free += size) - size) as [number, number, number, number, number, number];

    words.set(source.offsets.subarray(0, rows + 1), offsets / WORD);
    words.set(order.subarray(0, count), places / WORD);
    findItems(offsets, places, count, spans, into);
    const begins = words.subarray(into / WORD, into / WORD + count + 1);
    target.offsets.set(begins);
    if (begins[count]! > target.ids.length) reserveItems(target, begins[count]!);
    for (const [from, to] of [[source.ids, target.ids], [wordsOf(source.weights), wordsOf(target.weights)]] as const) {
      words.set(from.subarray(0, numItems), items / WORD);
      for (let begin = 0, end = 0; begin < count; begin = end) {
        const at = begins[begin]!;
        while (end < count && begins[end + 1]! - at <= PART_ITEMS) end++;
        if (end > begin) {
          copyItems(spans, begin, end, items, part);
          to.set(words.subarray(part / WORD, part / WORD + begins[end]! - at), at);
        } else {
          // A bag beyond what goes together goes alone.
          end++;
          const first = source.offsets[order[begin]!]!;
          to.set(from.subarray(first, first + begins[end]! - at), at);
        }
      }
    }
  };
}

const wordsOf = ({ buffer, byteOffset, length }: Float32Array): Uint32Array => new Uint32Array(buffer, byteOffset, length);
