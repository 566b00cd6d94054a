import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import type { Pooling } from '../../tables/layout.js';
import { createColumnLoader } from '../state/columns.js';
import type { Compiled } from '../compile/compile.js';
import {
  createIndexLists,
  type BagItems,
  type GrowingWords,
  type IndexLists,
  type ListWatch,
} from './lists/index-lists.js';
import { listFields, lookedUpInputs } from './lists/listed-fields.js';
import type { ListShape } from './lists/table-list.js';
import type { DeviceMemory } from './memory.js';
import { createItemLoader, NO_ITEMS } from './sequences.js';

/** Copies batches to the words that are uploaded. */
export interface Loader {
  /** Words that are written before a pass, from the first word of a device's memory on. */
  readonly upload: Uint32Array<ArrayBuffer>;
  /** The first of them that a device reads: it may have the ids before in index lists. */
  readonly firstWord: number;
  /** Items of bags and index lists. */
  readonly items: GrowingWords;
  readonly lists: IndexLists;
  /** Number of items of each sequence: another object for another pass, unless there are no sequences. */
  readonly itemCounts: ReadonlyMap<string, number>;
  /**
   * Copies rows `begin` to `begin + rows` of a batch, which may change afterwards, and starts their index lists.
   * @param trains whether gradients are gathered: a pass at row 0 restarts the index lists
   */
  begin(batch: Batch, begin: number, rows: number, trains: boolean): void;
  /** Writes what was started to `upload` and `items`. */
  finish(): void;
}

/** A bag field, and the words of its offsets and addresses. */
interface PlacedBag {
  readonly field: string;
  readonly pooling: Pooling;
  readonly offsets: number;
  readonly addresses: number;
}

/** A field that is looked up in several tables is pooled alike in all of them. */
function placeBags({ layout, tables }: Compiled, { wordAt }: DeviceMemory): readonly PlacedBag[] {
  const poolings = new Map(
    layout.columns.flatMap((columns) => (columns.kind === 'bag' ? [[columns.field, columns.pooling] as const] : [])),
  );
  return [...tables.bags.values()].map(({ field, offsets, addresses }) => ({
    field,
    pooling: poolings.get(field)!,
    offsets: wordAt(offsets),
    addresses: wordAt(addresses),
  }));
}

/** Creates the index lists of a program. */
function createLists(
  compiled: Compiled,
  { wordAt, columnWords }: DeviceMemory,
  bags: readonly PlacedBag[],
  threads: number,
  watch: ListWatch,
): IndexLists {
  const { tables } = compiled;
  const features = lookedUpInputs(compiled).find(({ source }) => source.kind === 'features');
  const shape: ListShape = {
    ld: features?.place.value.ld ?? 0,
    numBags: bags.length,
    tables: [...listFields(compiled).values()].map(({ fields, form }) => ({
      form,
      fields: fields.map(({ kind, field, value }) => {
        const offset = wordAt(value) - wordAt(fields[0]!.value);
        if (kind === 'id') return { at: wordAt(tables.column('id', field)), offset };
        if (kind === 'items') {
          const { ids, offsets } = tables.sequence(field);
          return { at: wordAt(ids), offset, items: { offsets: wordAt(offsets), ld: value.ld } };
        }
        const bag = bags.findIndex((place) => place.field === field);
        return { at: bags[bag]!.offsets, offset, bag };
      }),
    })),
  };
  const listedAt = tables.all.map((table) => ({
    table,
    headerAt: wordAt(table.distinct),
    countAt: wordAt(table.count),
  }));
  return createIndexLists(shape, listedAt, columnWords, threads, watch);
}

/**
 * Creates a loader for a program.
 * @param scratchWords words of `scratch` that precede those of index lists
 * @param threads number of further threads that make index lists
 */
export function createLoader(
  compiled: Compiled,
  memory: DeviceMemory,
  scratchWords: number,
  threads: number,
  watch: ListWatch,
): Loader {
  const upload = new Uint32Array(memory.uploadWords);
  const items: GrowingWords = { words: new Uint32Array(1024), length: 0 };
  const bags = placeBags(compiled, memory);
  const lists = createLists(compiled, memory, bags, threads, watch);
  const loadColumns = lists.columns.map((words) => createColumnLoader(compiled, words, memory.wordAt));
  const loadItems = createItemLoader(compiled, memory);
  const withBags = bagsBetweenRows(compiled.layout);
  let firstWord = 0;
  /** Items of the pass that was started, and of the one that was finished last. */
  let [begunItems, itemCounts] = [NO_ITEMS, NO_ITEMS];
  let last: { readonly of: Batch; readonly batch: Batch; readonly pooled: readonly PooledBag[] } | undefined;

  return {
    upload,
    items,
    lists,
    get firstWord() {
      return firstWord;
    },
    get itemCounts() {
      return itemCounts;
    },
    begin(given, begin, rows, trains) {
      // Parts of a batch are loaded one after the other.
      if (begin === 0 || last?.of !== given) {
        const batch = withBags(given);
        const pooled = bags.map(({ field, pooling }) => withFactors(column(batch.bags, field), pooling, batch.rows));
        last = { of: given, batch, pooled };
      }
      firstWord = trains ? memory.listedWords : 0;
      const columns = lists.columns[lists.next]!;
      loadColumns[lists.next]!(last.batch, begin, rows);
      begunItems = loadItems(columns, last.batch, begin, rows);
      const { pooled } = last;
      const bagItems = bags.map(({ offsets }, i): BagItems => {
        const bag = pooled[i]!;
        const [first, end] = [bag.offsets[begin]!, bag.offsets[begin + rows]!];
        for (let b = 0; b <= rows; b++) columns[offsets + b] = bag.offsets[begin + b]! - first;
        return { ids: bag.ids.subarray(first, end), factors: bag.factors.subarray(first, end) };
      });
      lists.begin(rows, bagItems, begin === 0, trains);
    },
    finish() {
      lists.finish(upload, items, firstWord, scratchWords);
      itemCounts = begunItems;
      for (const [bag, { addresses }] of bags.entries()) {
        const { ids, factors } = lists.bagAt(bag);
        upload[addresses] = ids;
        upload[addresses + 1] = factors;
      }
    },
  };
}

/** A bag with the factors of its items' rows. */
interface PooledBag extends BagColumn {
  readonly factors: Float32Array;
}

/** Returns a bag's weights as factors: w, w / Σ w or w / √Σ w²; 0 if the divisor is 0. */
function withFactors(bag: BagColumn, pooling: Pooling, rows: number): PooledBag {
  if (pooling === 'sum') return { ...bag, factors: bag.weights };
  const factors = new Float32Array(bag.offsets[rows]!);
  for (let b = 0; b < rows; b++) {
    const [begin, end] = [bag.offsets[b]!, bag.offsets[b + 1]!];
    let [sum, squares] = [0, 0];
    for (let i = begin; i < end; i++) {
      const weight = bag.weights[i]!;
      sum += weight;
      squares += weight * weight;
    }
    const divisor = pooling === 'mean' ? sum : Math.sqrt(squares);
    for (let i = begin; i < end; i++) factors[i] = divisor === 0 ? 0 : bag.weights[i]! / divisor;
  }
  return { ...bag, factors };
}
