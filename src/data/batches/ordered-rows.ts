import { allocatePlainly, allocateShared, BagBuffer } from '../../chunks/bag-buffer.js';
import {
  columnOn,
  createRowBlock,
  gatherRows,
  hasWords,
  type BlockColumn,
  type RowBlock,
  type WordBlockColumn,
} from '../../chunks/row-block.js';
import { withColumns, type ArrayColumn, type BagColumn, type Batch } from '../../core/batch.js';
import { MemoryLayout, WORD_BYTES } from '../readers/memory-layout.js';
import { createRowMemory, type RowMemory } from '../rows/row-kernels.js';

/** Capacities of rows that are read, and gathered in another order. */
export interface OrderCapacity {
  /** Rows that are read. */
  readonly rows: number;
  /** Rows that are gathered together. */
  readonly gathered: number;
  /** Slots for gathered rows. */
  readonly slots: number;
}

/** Rows in the order in which they are read, and slots for rows in another order. */
export interface OrderedRows {
  /** Block that rows are read to. */
  readonly raw: RowBlock;
  /** Gathers rows by index into a slot of shared memory, which is valid until the slot is reused. */
  put(order: Uint32Array, slot: number): Batch;
}

/** Creates memory for `rows` rows, and `slots` slots for up to `gathered` rows. */
export function createOrderedRows(
  columns: readonly BlockColumn[],
  rows: number,
  gathered: number,
  slots: number,
): OrderedRows {
  const capacity = { rows, gathered, slots };
  const bags = columns
    .filter(({ kind }) => kind === 'bag')
    .map(({ name }) => [name, new OrderedBags(capacity)] as const);
  const single = columns.filter(isSingleWord);
  const others = columns.filter((each) => hasWords(each) && !isSingleWord(each));
  const words = createOrderedWords(single, capacity);
  const raw = createRowBlock(others, rows);
  for (const [c, { name }] of single.entries()) raw.columns.set(name, words.raw[c]!);
  for (const [name, bag] of bags) raw.columns.set(name, bag.raw);
  const blocks = Array.from({ length: slots }, () => createRowBlock(others, gathered, SharedArrayBuffer));
  return {
    raw,
    put(order, slot) {
      const block = blocks[slot]!;
      gatherRows(raw, others, order, order.length, block);
      const found = words.put(order, slot);
      return withColumns(block, [
        ...single.map(({ name }, c) => [name, found[c]!] as const),
        ...bags.map(([name, bag]) => [name, bag.put(order, slot)] as const),
      ]);
    },
  };
}

function isSingleWord(each: BlockColumn): each is WordBlockColumn {
  return each.kind === 'id' || each.kind === 'number' || each.kind === 'label';
}

/** Columns that kernels gather together. */
const TOGETHER = 4;
/** Maximum bytes of a memory for words, if it has more than four columns. */
const MAX_WORD_BYTES = 2 ** 30;

/** Columns of one word per row, gathered by kernels: several times as fast as one column at a time. */
interface OrderedWords {
  /** Columns that are read. */
  readonly raw: readonly ArrayColumn[];
  /** Gathers rows by index into a slot; the columns are valid until the slot is reused. */
  put(order: Uint32Array, slot: number): readonly ArrayColumn[];
}

/** Creates memory for columns of one word per row. */
export function createOrderedWords(columns: readonly WordBlockColumn[], capacity: OrderCapacity): OrderedWords {
  const fourBytes = TOGETHER * WORD_BYTES * (capacity.rows + capacity.slots * capacity.gathered);
  const size = TOGETHER * Math.max(1, Math.floor(MAX_WORD_BYTES / fourBytes));
  const parts: WordPart[] = [];
  for (let c = 0; c < columns.length; c += size) parts.push(new WordPart(columns.slice(c, c + size), capacity));
  return {
    raw: parts.flatMap(({ raw }) => raw),
    put: (order, slot) => parts.flatMap((part) => part.put(order, slot)),
  };
}

/** Columns of words in one memory. */
class WordPart implements OrderedWords {
  readonly raw: readonly ArrayColumn[];
  readonly #columns: readonly WordBlockColumn[];
  readonly #memory: RowMemory;
  /** Addresses of the row indices, of joined columns, and of columns. */
  readonly #order: number;
  readonly #joined: number;
  readonly #rawColumns: readonly number[];
  readonly #slots: readonly (readonly number[])[];
  readonly #rows: number;

  constructor(columns: readonly WordBlockColumn[], { rows, gathered, slots }: OrderCapacity) {
    const layout = new MemoryLayout();
    // The last group is padded to four columns with a spare one.
    const takeColumns = (words: number): readonly number[] =>
      Array.from({ length: columns.length + 1 }, () => layout.take(words));
    this.#columns = columns;
    this.#rows = rows;
    this.#order = layout.take(gathered);
    this.#joined = layout.take(TOGETHER * (rows + TOGETHER));
    this.#rawColumns = takeColumns(rows);
    this.#slots = Array.from({ length: slots }, () => takeColumns(gathered));
    this.#memory = createRowMemory(layout);
    this.raw = this.#read(this.#rawColumns, rows);
  }

  put(order: Uint32Array, slot: number): readonly ArrayColumn[] {
    const { kernels, words } = this.#memory;
    const begin = this.#order / WORD_BYTES;
    words.set(order, begin);
    // Kernels gather four rows at a time.
    words.fill(0, begin + order.length, begin + order.length + TOGETHER);
    for (let c = 0; c < this.#columns.length; c += TOGETHER) {
      kernels.joinColumns(...fourFrom(this.#rawColumns, c), this.#rows, this.#joined);
      kernels.partColumns(this.#joined, this.#order, order.length, ...fourFrom(this.#slots[slot]!, c));
    }
    return this.#read(this.#slots[slot]!, order.length);
  }

  #read(addresses: readonly number[], rows: number): readonly ArrayColumn[] {
    return this.#columns.map((each, c) => columnOn(each, this.#memory.buffer, addresses[c], rows));
  }
}

/** Returns the addresses of four columns, spare ones after the last. */
function fourFrom(addresses: readonly number[], c: number): [number, number, number, number] {
  const spare = addresses.at(-1)!;
  return [addresses[c]!, addresses[c + 1] ?? spare, addresses[c + 2] ?? spare, addresses[c + 3] ?? spare];
}

/** Maximum bytes of a memory for a column of bags; larger columns do not use kernels. */
const MAX_BAG_BYTES = 2 ** 31;
/** Capacity for items, relative to those requested: windows differ, and a larger memory must be filled again. */
const SPARE_ITEMS = 1.25;
/** Capacity of a slot for items, relative to its share of the rows, and items beyond that: rows are random. */
const SLOT_ITEMS = 1.1;
const SPARE_SLOT_ITEMS = 1024;

/** Addresses of bags, and their capacity for items. */
interface BagAddresses {
  readonly offsets: number;
  readonly ids: number;
  readonly weights: number;
  readonly items: number;
}

/** Memory for bags, and the addresses in it. */
interface BagMemory extends RowMemory {
  readonly raw: BagAddresses;
  readonly order: number;
  readonly spans: number;
  readonly slots: readonly BagAddresses[];
}

/** A column of bags, gathered by kernels: many times as fast as bag by bag if they are far apart. */
export class OrderedBags {
  /** Buffer that bags are read to. */
  readonly raw: BagBuffer;
  readonly #gathered: number;
  #memory: BagMemory | undefined;
  /** Slots without kernels, by number. */
  readonly #plain: BagBuffer[] = [];

  constructor(capacity: OrderCapacity, maxBytes = MAX_BAG_BYTES) {
    this.#gathered = capacity.gathered;
    this.raw = new BagBuffer(capacity.rows, (rows, items) => {
      this.#memory = createBagMemory(capacity, Math.ceil(SPARE_ITEMS * items), maxBytes);
      if (this.#memory === undefined) return allocatePlainly(rows, items);
      return readBags(this.#memory, this.#memory.raw, rows, this.#memory.raw.items);
    });
  }

  /** Gathers the bags of rows by index into a slot of shared memory, which is valid until the slot is reused. */
  put(order: Uint32Array, slot: number): BagColumn {
    if (this.#memory === undefined) return this.#putPlainly(order, slot);
    const { kernels, words, raw, spans } = this.#memory;
    const to = this.#memory.slots[slot]!;
    const count = order.length;
    words.set(order, this.#memory.order / WORD_BYTES);
    kernels.findItems(raw.offsets, this.#memory.order, count, spans, to.offsets);
    const items = words[to.offsets / WORD_BYTES + count]!;
    if (items > to.items) return this.#putPlainly(order, slot);
    kernels.copyItems(spans, 0, count, raw.ids, to.ids);
    kernels.copyItems(spans, 0, count, raw.weights, to.weights);
    return readBags(this.#memory, to, count, items);
  }

  #putPlainly(order: Uint32Array, slot: number): BagColumn {
    const into = (this.#plain[slot] ??= new BagBuffer(this.#gathered, allocateShared));
    into.gather(this.raw, order, 0, order.length);
    // Only arrays can be sent to another thread.
    const { offsets, ids, weights } = into;
    return { type: 'list', offsets, ids, weights };
  }
}

/** Creates memory for raw bags with `items` items, and for slots; undefined if it exceeds the maximum. */
function createBagMemory(
  { rows, gathered, slots }: OrderCapacity,
  items: number,
  maxBytes: number,
): BagMemory | undefined {
  const slotItems = Math.ceil(Math.min(1, (SLOT_ITEMS * gathered) / rows) * items) + SPARE_SLOT_ITEMS;
  const layout = new MemoryLayout();
  const takeBags = (ofRows: number, ofItems: number): BagAddresses => ({
    offsets: layout.take(ofRows + 1),
    ids: layout.take(ofItems),
    weights: layout.take(ofItems),
    items: ofItems,
  });
  const addresses = {
    raw: takeBags(rows, items),
    order: layout.take(gathered),
    spans: layout.take(2 * gathered),
    slots: Array.from({ length: slots }, () => takeBags(gathered, slotItems)),
  };
  return layout.bytes > maxBytes ? undefined : { ...addresses, ...createRowMemory(layout) };
}

function readBags(
  { buffer }: RowMemory,
  { offsets, ids, weights }: BagAddresses,
  rows: number,
  items: number,
): BagColumn {
  return {
    type: 'list',
    offsets: new Uint32Array(buffer, offsets, rows + 1),
    ids: new Uint32Array(buffer, ids, items),
    weights: new Float32Array(buffer, weights, items),
  };
}
