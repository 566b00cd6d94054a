import { column, type BagColumn, type Batch } from '../../batch.js';
import { itemsOf } from '../simd/bags.js';
import type { TablePlace } from '../simd/tables.js';
import type { ListSize } from './dispatches.js';
import { LIST_WORDS } from './wgsl/tables.js';

/** Items that a thread sums up: a row with more of them has several segments, whose sums are added up after. */
const SEGMENT = 32;

/** Words that grow as they must; what was written stays. */
export interface GrowingWords {
  words: Uint32Array<ArrayBuffer>;
  length: number;
}

/** Room for so many words more: where it begins. */
export function takeWords(growing: GrowingWords, count: number): number {
  const at = growing.length;
  growing.length += count;
  if (growing.length > growing.words.length) {
    const larger = new Uint32Array(Math.max(growing.length, growing.words.length * 2));
    larger.set(growing.words.subarray(0, at));
    growing.words = larger;
  }
  return at;
}

/** A bag with the factors that its items' rows are pooled by. */
export interface PooledBag extends BagColumn {
  readonly factors: Float32Array;
}

/** Which distinct rows of tables a step meets, and which items of a batch each of them has. */
export interface IndexLists {
  /** Forgets the rows of the step before. */
  begin(): void;
  /**
   * Adds the rows of a pass, and writes what a device reads of them: all distinct rows of the step so far, and the items of this pass by rows, in
   * the order of the batch.
   * @param ld floats from one row of the input to the next
   * @param scratchWords that others have of the scratch memory
   */
  add(batch: Batch, begin: number, rows: number, bagOf: (field: string) => PooledBag, items: GrowingWords, scratchWords: number): void;
  /** What is said of a table: its header's words. */
  header(table: TablePlace): Uint32Array;
  sizeOf(table: TablePlace): ListSize;
  distinctOf(table: TablePlace): Uint32Array;
  /** Words of scratch memory that the last pass needs. */
  readonly scratchWords: number;
}

interface TableList {
  distinct: Uint32Array<ArrayBuffer>;
  count: number;
  segments: number;
  readonly header: Uint32Array;
}

/** Index lists for tables whose fields lie side by side in an input of which the rows are `ld` floats apart. */
export function createIndexLists(tables: readonly TablePlace[], ld: number): IndexLists {
  const lists = new Map<TablePlace, TableList>();
  /** Places for the rows of one table after the other, at most half of them taken: numbers of distinct rows, counted from 1. As large as a batch, so it stays in the cache. */
  let hash = new Uint32Array(0);
  let slotOf = new Uint32Array(0);
  let counts = new Uint32Array(0);
  let scratch = 0;
  const listOf = (table: TablePlace): TableList => {
    const known = lists.get(table);
    if (known !== undefined) return known;
    const made = { distinct: new Uint32Array(16), count: 0, segments: 0, header: new Uint32Array(Object.keys(LIST_WORDS).length) };
    lists.set(table, made);
    return made;
  };
  /** Empties the hash table for a table's next items, but for the rows that the step has met already; gives how far a hash is shifted. */
  const openHash = ({ distinct, count }: TableList, items: number): number => {
    const bits = Math.max(4, Math.ceil(Math.log2(2 * (count + items))));
    if (hash.length < 2 ** bits) hash = new Uint32Array(2 ** bits);
    hash.fill(0, 0, 2 ** bits);
    for (let u = 0; u < count; u++) {
      let h = Math.imul(distinct[u]!, SPREAD) >>> (32 - bits);
      while (hash[h] !== 0) h = (h + 1) & (2 ** bits - 1);
      hash[h] = u + 1;
    }
    return 32 - bits;
  };
  /** Numbers the rows of some items, and counts those of each; where in `slotOf` the next ones go. */
  const numberRows = (list: TableList, ids: Uint32Array, from: number, to: number, begin: number, shift: number): number => {
    const most = list.count + to - from;
    while (list.distinct.length < most) list.distinct = grown(list.distinct);
    while (counts.length < most) counts = grown(counts);
    // Everything that the loop touches is its own.
    const { distinct } = list;
    const [places, ofRow, slotsOfItems, mask] = [hash, counts, slotOf, 2 ** (32 - shift) - 1];
    let { count } = list;
    let i = begin;
    for (let at = from; at < to; at++) {
      const row = ids[at]!;
      let h = Math.imul(row, SPREAD) >>> shift;
      let slot = places[h]!;
      while (slot !== 0 && distinct[slot - 1] !== row) {
        h = (h + 1) & mask;
        slot = places[h]!;
      }
      if (slot === 0) {
        distinct[count] = row;
        ofRow[count] = 0;
        slot = places[h] = ++count;
      }
      ofRow[slot - 1]!++;
      slotsOfItems[i++] = slot - 1;
    }
    list.count = count;
    return i;
  };

  const addTable = (table: TablePlace, batch: Batch, begin: number, rows: number, bagOf: (field: string) => PooledBag, items: GrowingWords): void => {
    const list = listOf(table);
    const seen = list.count;
    let total = 0;
    for (const { kind, field } of table.fields) total += kind === 'bag' ? itemsOf(bagOf(field), begin, rows) : rows;
    if (slotOf.length < total) slotOf = new Uint32Array(2 * total);
    while (counts.length <= list.count) counts = grown(counts);
    counts.fill(0, 0, list.count);
    const shift = openHash(list, total);
    // Which distinct row each item has, in the order of fields and rows.
    let i = 0;
    for (const { kind, field } of table.fields) {
      const bag = kind === 'bag' ? bagOf(field) : undefined;
      const ids = bag?.ids ?? column(batch.ids, field);
      const [from, to] = bag === undefined ? [begin, begin + rows] : [bag.offsets[begin]!, bag.offsets[begin + rows]!];
      i = numberRows(list, ids, from, to, i, shift);
    }
    const hasFactors = table.fields.some(({ kind }) => kind === 'bag');
    const distinctAt = takeWords(items, list.count);
    const firstSegmentsAt = takeWords(items, list.count + 1);
    let segments = 0;
    for (let u = 0; u < list.count; u++) segments += Math.ceil(counts[u]! / SEGMENT);
    const segmentsAt = takeWords(items, segments + 1);
    const itemsAt = takeWords(items, total * (hasFactors ? 2 : 1));
    const { words } = items;
    words.set(list.distinct.subarray(0, list.count), distinctAt);
    let item = 0;
    let segment = 0;
    for (let u = 0; u < list.count; u++) {
      words[firstSegmentsAt + u] = segment;
      const end = item + counts[u]!;
      // From here on, where the next item of the row goes.
      counts[u] = item;
      for (; item < end; item += SEGMENT) words[segmentsAt + segment++] = hasFactors ? item : itemsAt + item;
      item = end;
    }
    words[firstSegmentsAt + list.count] = segment;
    words[segmentsAt + segment] = hasFactors ? item : itemsAt + item;
    fillItems(table, begin, rows, bagOf, words, itemsAt, hasFactors);

    list.segments = segments;
    const { header } = list;
    header[LIST_WORDS.distinct] = distinctAt;
    header[LIST_WORDS.segments] = segmentsAt;
    header[LIST_WORDS.items] = hasFactors ? itemsAt : 0;
    header[LIST_WORDS.firstSegments] = firstSegmentsAt;
    header[LIST_WORDS.numSegments] = segments;
    header[LIST_WORDS.seen] = seen;
    header[LIST_WORDS.partials] = scratch;
    header[LIST_WORDS.count] = list.count;
    scratch += segments * table.width;
  };

  /** Writes each item to the next place of its row: where its gradient begins in the input, and its factor where there are some. */
  const fillItems = (table: TablePlace, begin: number, rows: number, bagOf: (field: string) => PooledBag, words: Uint32Array, itemsAt: number, hasFactors: boolean): void => {
    let i = 0;
    for (const { kind, field, offset } of table.fields) {
      if (kind !== 'id') i = fillBag(bagOf(field), begin, rows, offset, words, itemsAt, i);
      else if (hasFactors) for (let b = 0; b < rows; b++) putItem(words, itemsAt, i++, b * ld + offset, 1);
      else {
        const [places, slotsOfItems] = [counts, slotOf];
        let at = offset;
        for (const end = i + rows; i < end; i++, at += ld) words[itemsAt + places[slotsOfItems[i]!]!++] = at;
      }
    }
  };
  const putItem = (words: Uint32Array, itemsAt: number, i: number, at: number, factor: number): void => {
    const place = itemsAt + 2 * counts[slotOf[i]!]!++;
    FACTOR[0] = factor;
    words[place] = at;
    words[place + 1] = FACTOR_BITS[0]!;
  };
  const fillBag = ({ offsets, factors }: PooledBag, begin: number, rows: number, offset: number, words: Uint32Array, itemsAt: number, first: number): number => {
    let i = first;
    for (let b = 0; b < rows; b++) for (let at = offsets[begin + b]!; at < offsets[begin + b + 1]!; at++) putItem(words, itemsAt, i++, b * ld + offset, factors[at]!);
    return i;
  };

  return {
    get scratchWords() {
      return scratch;
    },
    begin() {
      for (const list of lists.values()) list.count = 0;
    },
    add(batch, begin, rows, bagOf, items, scratchWords) {
      scratch = scratchWords;
      for (const table of tables) addTable(table, batch, begin, rows, bagOf, items);
    },
    header: (table) => listOf(table).header,
    sizeOf(table) {
      const { count, segments } = listOf(table);
      return { distinct: count, segments };
    },
    distinctOf(table) {
      const { distinct, count } = listOf(table);
      return distinct.subarray(0, count);
    },
  };
}

/** Knuth's multiplicative hash. */
const SPREAD = 0x9e3779b1;
const FACTOR = new Float32Array(1);
const FACTOR_BITS = new Uint32Array(FACTOR.buffer);

/** Twice the room. */
function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(16, 2 * words.length));
  larger.set(words);
  return larger;
}
