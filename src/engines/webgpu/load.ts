import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import type { Pooling } from '../../tables/layout.js';
import { itemsOf } from '../cpu/bags.js';
import { createColumnLoader } from '../state/columns.js';
import type { Compiled } from '../compile/compile.js';
import {
  createIndexLists,
  type BagItems,
  type GrowingWords,
  type IndexLists,
  type ListWatch,
} from './lists/index-lists.js';
import { listForm, type ListShape } from './lists/table-list.js';
import type { DeviceMemory } from './memory.js';

/** Copies batches to where they are uploaded from. */
export interface Loader {
  /** What is written before a pass, from the begin of a device's memory on. */
  readonly upload: Uint32Array<ArrayBuffer>;
  /** Its first word that a device reads: ids that it has in index lists come before. */
  readonly firstWord: number;
  /** Items of bags and index lists. */
  readonly items: GrowingWords;
  readonly lists: IndexLists;
  /**
   * Copies rows `begin` to `begin + rows` of a batch, which may change after, and begins its index lists.
   * @param trains whether gradients are gathered: then there are index lists, which a pass at row 0 begins anew
   */
  begin(batch: Batch, begin: number, rows: number, trains: boolean): void;
  /** Writes what was begun to `upload` and `items`. */
  finish(): void;
}

/**
 * A loader for a plan; where things go is found once, so that a step only copies.
 * @param threads that make index lists beside this one
 * @param watch told of what these take
 */
export function createLoader(
  compiled: Compiled,
  memory: DeviceMemory,
  scratchWords: () => number,
  threads: number,
  watch: ListWatch,
): Loader {
  const { graph, layout, places, tables } = compiled;
  const upload = new Uint32Array(memory.uploadWords);
  const items: GrowingWords = { words: new Uint32Array(1024), length: 0 };
  // A field that is looked up in several tables is pooled alike in all of them.
  const poolings = new Map(
    layout.columns.flatMap((columns) => (columns.kind === 'bag' ? [[columns.field, columns.pooling] as const] : [])),
  );
  const bagPlaces = [...tables.bags.values()].map(({ field, offsets, addresses }) => ({
    field,
    offsets: memory.wordAt(offsets),
    addresses: memory.wordAt(addresses),
  }));
  const input = graph.values.find((value) => value.op === 'input' && value.source.kind === 'features');
  const listed = input === undefined ? [] : tables.all;
  const shape: ListShape = {
    ld: input === undefined ? 0 : places.of(input).ld,
    numBags: bagPlaces.length,
    tables: listed.map((table) => ({
      form: listForm(
        table.fields.map(({ kind }) => kind === 'bag'),
        places.maxRows,
      ),
      fields: table.fields.map(({ kind, field, offset }) => {
        if (kind === 'id') return { at: memory.wordAt(tables.column('id', field)), offset };
        const bag = bagPlaces.findIndex((place) => place.field === field);
        return { at: bagPlaces[bag]!.offsets, offset, bag };
      }),
    })),
  };
  const listedAt = listed.map((table) => ({
    table,
    headerAt: memory.wordAt(table.distinct),
    countAt: memory.wordAt(table.count),
  }));
  const lists = createIndexLists(shape, listedAt, memory.columnWords, threads, watch);
  const loadColumns = lists.columns.map((words) =>
    createColumnLoader(compiled, words, (address) => memory.wordAt(address)),
  );
  const withBags = bagsBetweenRows(layout);
  let firstWord = 0;
  let looked: { readonly of: Batch; readonly batch: Batch } | undefined;
  let pooled = new Map<string, PooledBag>();

  return {
    upload,
    items,
    lists,
    get firstWord() {
      return firstWord;
    },
    begin(given, begin, rows, trains) {
      // Parts of a batch are loaded one after the other.
      if (begin === 0 || looked?.of !== given) {
        looked = { of: given, batch: withBags(given) };
        const { bags, rows: all } = looked.batch;
        pooled = new Map(
          [...poolings].map(([field, pooling]) => [field, withFactors(column(bags, field), pooling, all)]),
        );
      }
      const { batch } = looked;
      firstWord = trains ? memory.listedWords : 0;
      const columns = lists.columns[lists.next]!;
      loadColumns[lists.next]!(batch, begin, rows);
      const bags = bagPlaces.map(({ field, offsets }): BagItems => {
        const bag = pooled.get(field)!;
        const first = bag.offsets[begin]!;
        for (let b = 0; b <= rows; b++) columns[offsets + b] = bag.offsets[begin + b]! - first;
        const end = first + itemsOf(bag, begin, rows);
        return { ids: bag.ids.subarray(first, end), factors: bag.factors.subarray(first, end) };
      });
      lists.begin(rows, bags, begin === 0, trains);
    },
    finish() {
      lists.finish(upload, items, firstWord, scratchWords());
      for (const [bag, { addresses }] of bagPlaces.entries()) {
        const { ids, factors } = lists.bagAt(bag);
        upload[addresses] = ids;
        upload[addresses + 1] = factors;
      }
    },
  };
}

/** A bag with the factors that its items' rows are pooled by. */
interface PooledBag extends BagColumn {
  readonly factors: Float32Array;
}

/** A bag's weights as factors: w, w / Σ w or w / √Σ w²; 0 where the divisor is 0. */
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
