import { column, type BagColumn, type Batch } from '../../batch.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import type { Pooling } from '../../tables/layout.js';
import { createColumnLoader } from '../simd/columns.js';
import type { Compiled } from '../simd/compile.js';
import { createIndexLists, takeWords, type GrowingWords, type IndexLists, type PooledBag } from './index-lists.js';
import type { DeviceMemory } from './memory.js';

/** Copies batches to where they are uploaded from. */
export interface Loader {
  /** What is written before a pass, from the begin of a device's memory on. */
  readonly upload: Uint32Array<ArrayBuffer>;
  /** Items of bags and index lists. */
  readonly items: GrowingWords;
  readonly lists: IndexLists;
  /**
   * Copies rows `begin` to `begin + rows` of a batch.
   * @param trains whether gradients are gathered: then there are index lists, which a pass at row 0 begins anew
   */
  load(batch: Batch, begin: number, rows: number, trains: boolean): void;
}

/** A loader for a plan; where things go is found once, so that a step only copies. */
export function createLoader(compiled: Compiled, memory: DeviceMemory, scratchWords: () => number): Loader {
  const { graph, layout, places, tables } = compiled;
  const upload = new Uint32Array(memory.uploadWords);
  const loadColumns = createColumnLoader(compiled, upload, (address) => memory.wordAt(address));
  const items: GrowingWords = { words: new Uint32Array(1024), length: 0 };
  // A field that is looked up in several tables is pooled alike in all of them.
  const poolings = new Map(layout.columns.flatMap((columns) => (columns.kind === 'bag' ? [[columns.field, columns.pooling] as const] : [])));
  const bagPlaces = [...tables.bags.values()].map(({ field, offsets, addresses }) => ({ field, offsets: memory.wordAt(offsets), addresses: memory.wordAt(addresses) }));
  const headers = tables.all.map((table) => ({ table, at: memory.wordAt(table.distinct), countAt: memory.wordAt(table.count) }));
  const input = graph.values.find((value) => value.op === 'input' && value.source.kind === 'features');
  const lists = createIndexLists(input === undefined ? [] : tables.all, input === undefined ? 0 : places.of(input).ld);
  const withBags = bagsBetweenRows(layout);
  let looked: { readonly of: Batch; readonly batch: Batch } | undefined;
  let pooled = new Map<string, PooledBag>();

  return {
    upload, items, lists,
    load(given, begin, rows, trains) {
      // Parts of a batch are loaded one after the other.
      if (begin === 0 || looked?.of !== given) {
        looked = { of: given, batch: withBags(given) };
        const { bags, rows: all } = looked.batch;
        pooled = new Map([...poolings].map(([field, pooling]) => [field, withFactors(column(bags, field), pooling, all)]));
      }
      const { batch } = looked;
      loadColumns(batch, begin, rows);
      items.length = 0;
      for (const { field, offsets, addresses } of bagPlaces) {
        const { offsets: from, ids, factors } = pooled.get(field)!;
        const [first, end] = [from[begin]!, from[begin + rows]!];
        for (let b = 0; b <= rows; b++) upload[offsets + b] = from[begin + b]! - first;
        const at = takeWords(items, 2 * (end - first));
        items.words.set(ids.subarray(first, end), at);
        new Float32Array(items.words.buffer).set(factors.subarray(first, end), at + end - first);
        upload[addresses] = at;
        upload[addresses + 1] = at + end - first;
      }
      if (!trains) return;
      if (begin === 0) lists.begin();
      lists.add(batch, begin, rows, (field) => pooled.get(field)!, items, scratchWords());
      for (const { table, at, countAt } of headers) {
        upload.set(lists.header(table), at);
        upload[countAt] = lists.sizeOf(table).distinct;
      }
    },
  };
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
