import type { BagColumn } from '../../core/batch.js';
import {
  allocatePlainly,
  allocateShared,
  createBagBuffer,
  gatherBags,
  type BagBuffer,
} from '../../chunks/bag-buffer.js';
import { createRowMemory, rowPlaces, WORD, type RowMemory } from './row-kernels.js';

/** A column of bags, as its rows are read and in another order. */
export interface OrderedBags {
  /** Where rows are read to. */
  readonly raw: BagBuffer;
  /**
   * Copies the bags of the rows that are named, in that order, to one of the places for them, which threads share;
   * valid until others are put there.
   */
  put(order: Uint32Array, place: number): BagColumn;
}

/** More than a column takes in a window of any usual size. */
const MAX_BYTES = 2 ** 31;
/** Room for items beyond those that were asked for: windows differ, and every memory has to be filled anew. */
const SPARE_ITEMS = 1.25;

/** Kernels on a memory, and where in it things lie. */
interface BagMemory extends RowMemory {
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

/** Memory for bags in their order and in others; undefined where it were too large. */
function bagMemory(
  rows: number,
  putRows: number,
  places: number,
  wanted: number,
  mostBytes: number,
): BagMemory | undefined {
  const items = Math.ceil(SPARE_ITEMS * wanted);
  // As many as their share of the rows has, and some more: it is drawn by chance.
  const putItems = Math.ceil(Math.min(1, (1.1 * putRows) / rows) * items) + 1024;
  const all = rowPlaces();
  const { take } = all;
  const takeBags = (ofRows: number, ofItems: number): BagPlace => ({
    offsets: take(ofRows + 1),
    ids: take(ofItems),
    weights: take(ofItems),
    items: ofItems,
  });
  const parts = {
    raw: takeBags(rows, items),
    order: take(putRows),
    spans: take(2 * putRows),
    places: Array.from({ length: places }, () => takeBags(putRows, putItems)),
  };
  return all.bytes > mostBytes ? undefined : { ...parts, ...createRowMemory(all.bytes) };
}

/**
 * Memory for the bags of `rows` rows, in which kernels put them in order: many times as fast as one by one where they
 * are far apart.
 * @param putRows rows that are put in order at once, at the most
 * @param places for rows in order
 * @param mostBytes of it: columns beyond go the plain way
 */
export function createOrderedBags(rows: number, putRows: number, places: number, mostBytes = MAX_BYTES): OrderedBags {
  let memory: BagMemory | undefined;
  const raw = createBagBuffer(rows, (_, items) => {
    memory = bagMemory(rows, putRows, places, items, mostBytes);
    if (memory === undefined) return allocatePlainly(rows, items);
    const {
      buffer,
      raw: { offsets, ids, weights, items: room },
    } = memory;
    return {
      offsets: new Uint32Array(buffer, offsets, rows + 1),
      ids: new Uint32Array(buffer, ids, room),
      weights: new Float32Array(buffer, weights, room),
    };
  });
  const plain: BagBuffer[] = [];
  const putPlainly = (order: Uint32Array, place: number): BagColumn => {
    const into = (plain[place] ??= createBagBuffer(putRows, allocateShared));
    gatherBags(raw, order, 0, order.length, into);
    // No more than may go to another thread.
    const { offsets, ids, weights } = into;
    return { offsets, ids, weights };
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
      return {
        offsets: new Uint32Array(buffer, offsets, count + 1),
        ids: new Uint32Array(buffer, ids, items),
        weights: new Float32Array(buffer, weights, items),
      };
    },
  };
}
