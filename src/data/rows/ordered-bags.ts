import { readFileSync } from 'node:fs';
import type { BagColumn } from '../../batch.js';
import { createBagBuffer, gatherBags, type BagBuffer } from './bag-buffer.js';

/** The kernels of src/kernels/rows; places are those of bytes in their memory. */
interface RowKernels {
  heapBase(): number;
  findItems(offsets: number, order: number, count: number, spans: number, into: number): void;
  copyItems(spans: number, begin: number, end: number, items: number, into: number): void;
}

/** A column of bags, as its rows are read and in another order. */
export interface OrderedBags {
  /** Where rows are read to. */
  readonly raw: BagBuffer;
  /** Copies the bags of the rows that are named, in that order, to one of the places for them; valid until others are put there. */
  put(order: Uint32Array, place: number): BagColumn;
}

const WORD = 4;
const PAGE_BYTES = 1 << 16;
/** Bytes that kernels read and write at once: up to so many lie behind what they are asked for. */
const AT_ONCE = 16;
/** More than a column takes in a window of any usual size. */
const MOST_BYTES = 2 ** 31;
/** Room for items beyond those that were asked for: windows differ, and every memory has to be filled anew. */
const SPARE_ITEMS = 1.25;

let compiled: WebAssembly.Module | undefined;

/** Kernels on a memory, and where in it things lie. */
interface KernelMemory {
  readonly kernels: RowKernels;
  readonly words: Uint32Array;
  readonly buffer: ArrayBufferLike;
  readonly raw: BagPlace;
  readonly order: number;
  readonly spans: number;
  readonly places: readonly BagPlace[];
}

/** Where bags lie, in bytes, and for how many items there is room. */
interface BagPlace {
  readonly offsets: number;
  readonly ids: number;
  readonly weights: number;
  readonly items: number;
}

/** Memory for bags in their order and in others, which threads share; undefined where it were too large. */
function kernelMemory(rows: number, putRows: number, places: number, wanted: number, mostBytes: number): KernelMemory | undefined {
  const items = Math.ceil(SPARE_ITEMS * wanted);
  // As many as their share of the rows has, and some more: it is drawn by chance.
  const putItems = Math.ceil(Math.min(1, (1.1 * putRows) / rows) * items) + 1024;
  let free = PAGE_BYTES;
  const take = (size: number): number => {
    const at = free;
    free += (Math.ceil((size * WORD) / AT_ONCE) + 1) * AT_ONCE;
    return at;
  };
  const takeBags = (ofRows: number, ofItems: number): BagPlace => ({ offsets: take(ofRows + 1), ids: take(ofItems), weights: take(ofItems), items: ofItems });
  const parts = { raw: takeBags(rows, items), order: take(putRows), spans: take(2 * putRows), places: Array.from({ length: places }, () => takeBags(putRows, putItems)) };
  if (free > mostBytes) return undefined;
  // The build's folder is as far from the sources as from what is built of them.
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../../dist/rows.wasm', import.meta.url)));
  // The most is what the module was built for.
  const memory = new WebAssembly.Memory({ initial: Math.ceil(free / PAGE_BYTES), maximum: 65_536, shared: true });
  // The border to wasm: what the module exports is what src/kernels/rows says.
  const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as RowKernels;
  if (kernels.heapBase() > PAGE_BYTES) throw new Error('the kernels need more room of their own');
  return { ...parts, kernels, words: new Uint32Array(memory.buffer), buffer: memory.buffer };
}

/**
 * Memory for the bags of `rows` rows, in which kernels put them in order: many times as fast as one by one where they are far apart.
 * @param putRows rows that are put in order at once, at the most
 * @param places for rows in order
 * @param mostBytes of it: columns beyond go the plain way
 */
export function createOrderedBags(rows: number, putRows: number, places: number, mostBytes = MOST_BYTES): OrderedBags {
  let memory: KernelMemory | undefined;
  const raw = createBagBuffer(rows, (_, items) => {
    memory = kernelMemory(rows, putRows, places, items, mostBytes);
    if (memory === undefined) return { offsets: new Uint32Array(rows + 1), ids: new Uint32Array(items), weights: new Float32Array(items) };
    const { buffer, raw: { offsets, ids, weights, items: room } } = memory;
    return { offsets: new Uint32Array(buffer, offsets, rows + 1), ids: new Uint32Array(buffer, ids, room), weights: new Float32Array(buffer, weights, room) };
  });
  const plain: BagBuffer[] = [];
  const putPlainly = (order: Uint32Array, place: number): BagColumn => {
    const into = (plain[place] ??= createBagBuffer(putRows));
    gatherBags(raw, order, 0, order.length, into);
    return into;
  };
  return {
    raw,
    put(order, place) {
      if (memory === undefined) return putPlainly(order, place);
      const { kernels, words, buffer, raw: from, spans } = memory;
      const { offsets, ids, weights, items: room } = memory.places[place]!;
      const count = order.length;
      words.set(order, memory.order / WORD);
      kernels.findItems(from.offsets, memory.order, count, spans, offsets);
      const items = words[offsets / WORD + count]!;
      if (items > room) return putPlainly(order, place);
      kernels.copyItems(spans, 0, count, from.ids, ids);
      kernels.copyItems(spans, 0, count, from.weights, weights);
      return { offsets: new Uint32Array(buffer, offsets, count + 1), ids: new Uint32Array(buffer, ids, items), weights: new Float32Array(buffer, weights, items) };
    },
  };
}
