import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import type { Pooling } from '../../graph/operations.js';
import { createColumnLoader } from '../state/columns.js';
import type { Ref } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { ItemsPlace } from '../compile/items.js';
import {
  createIndexLists,
  type BagItems,
  type GrowingWords,
  type IndexLists,
  type ListWatch,
} from './lists/index-lists.js';
import { listFields } from './lists/listed-fields.js';
import type { ListShape } from './lists/table-list.js';
import type { DeviceMemory } from './memory.js';

/** Copies batches to the words that are uploaded. */
export interface Loader {
  /** Words that are written before a pass, from the first word of a device's memory on. */
  readonly upload: Uint32Array<ArrayBuffer>;
  /** The first of them that a device reads: it may have the ids before in index lists. */
  readonly firstWord: number;
  /** Items of bags and index lists. */
  readonly items: GrowingWords;
  readonly lists: IndexLists;
  /** Rows of each domain but the batch: another object for another pass, unless there are none. */
  readonly itemCounts: ReadonlyMap<string, number>;
  /**
   * Copies rows `begin` to `begin + rows` of a batch, which may change afterwards, and starts their index lists.
   * @param trains whether gradients are gathered: a pass at row 0 restarts the index lists
   */
  begin(batch: Batch, begin: number, rows: number, trains: boolean): void;
  /** Writes what was started to `upload` and `items`. */
  finish(): void;
}

/** The items of a field with the words of their buffers (see `ItemsPlace`). */
interface PlacedItems extends Pick<ItemsPlace, 'field' | 'maxItems' | 'pooling'> {
  readonly offsets: number;
  readonly bag: number | undefined;
  readonly ids: number | undefined;
  readonly factors: number | undefined;
}

function itemWords({ tables }: Compiled, { wordAt }: DeviceMemory): readonly PlacedItems[] {
  const indexOf = (ref: Ref | undefined): number | undefined => ref && wordAt(ref);
  return tables.items.map((place) => ({
    ...place,
    offsets: wordAt(place.offsets),
    bag: indexOf(place.bag),
    ids: indexOf(place.ids),
    factors: indexOf(place.factors),
  }));
}

/** Creates the index lists of a program. */
function createLists(
  compiled: Compiled,
  { wordAt, columnWords }: DeviceMemory,
  bags: readonly PlacedItems[],
  threads: number,
  watch: ListWatch,
): IndexLists {
  const { tables } = compiled;
  const shape: ListShape = {
    numBags: bags.length,
    tables: [...listFields(compiled)].map(([table, { fields, form }]) => ({
      form,
      fields: fields.map(({ lookup, value }) => {
        const { kind, field } = lookup;
        const shared = { offset: wordAt(value) - wordAt(fields[0]!.value), ld: value.ld };
        if (kind === 'id') return { ...shared, at: wordAt(tables.ids(table, lookup)) };
        const offsets = wordAt(tables.itemsOf(field).offsets);
        return kind === 'items'
          ? { ...shared, at: wordAt(tables.ids(table, lookup)), offsets }
          : { ...shared, at: offsets, bag: bags.findIndex((place) => place.field === field) };
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
  const places = itemWords(compiled, memory);
  const bags = places.filter(({ bag }) => bag !== undefined);
  const lists = createLists(compiled, memory, bags, threads, watch);
  const loadColumns = lists.columns.map((words) => createColumnLoader(compiled, words, memory.wordAt));
  const withBags = bagsBetweenRows(compiled.plan.layout);
  const domains = compiled.domains.flatMap((domain) => (domain.kind === 'items' ? [domain.field] : []));
  const noItems: Loader['itemCounts'] = new Map();
  let firstWord = 0;
  /** Items of the pass that was started, and of the one that was finished last. */
  let [begunItems, itemCounts] = [noItems, noItems];
  let last:
    { readonly of: Batch; readonly batch: Batch; readonly factors: ReadonlyMap<string, Float32Array> } | undefined;

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
        const factors = bags.map(
          ({ field, pooling }) => [field, factorsOf(column(batch.bags, field), pooling!, batch.rows)] as const,
        );
        last = { of: given, batch, factors: new Map(factors) };
      }
      firstWord = trains ? memory.listedWords : 0;
      const columns = lists.columns[lists.next]!;
      loadColumns[lists.next]!(last.batch, begin, rows);
      const { factors } = last;
      const floats = new Float32Array(columns.buffer);
      const loaded = places.map((place): BagItems => {
        const { field, offsets, maxItems = Infinity } = place;
        const of = column(last!.batch.bags, field);
        const [first, end] = [of.offsets[begin]!, of.offsets[begin + rows]!];
        if (end - first > rows * maxItems) throw new Error(`'${field}' has rows with more than ${maxItems} items`);
        for (let b = 0; b <= rows; b++) columns[offsets + b] = of.offsets[begin + b]! - first;
        const items = {
          ids: of.ids.subarray(first, end),
          factors: (factors.get(field) ?? of.weights).subarray(first, end),
        };
        if (place.ids !== undefined) columns.set(items.ids, place.ids);
        if (place.factors !== undefined) floats.set(items.factors, place.factors);
        return items;
      });
      const itemsOfField = new Map(places.map(({ field }, i) => [field, loaded[i]!]));
      if (domains.length > 0)
        begunItems = new Map(domains.map((field) => [field, itemsOfField.get(field)!.ids.length]));
      lists.begin(
        rows,
        bags.map(({ field }) => itemsOfField.get(field)!),
        begin === 0,
        trains,
      );
    },
    finish() {
      lists.finish(upload, items, firstWord, scratchWords);
      itemCounts = begunItems;
      for (const [i, { bag }] of bags.entries()) {
        const { ids, factors } = lists.bagAt(i);
        upload[bag!] = ids;
        upload[bag! + 1] = factors;
      }
    },
  };
}

/** Returns a bag's weights as factors: w, w / Σ w or w / √Σ w²; 0 if the divisor is 0. */
function factorsOf(bag: BagColumn, pooling: Pooling, rows: number): Float32Array {
  if (pooling === 'sum') return bag.weights;
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
  return factors;
}
