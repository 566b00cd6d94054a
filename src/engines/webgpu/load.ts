import { column, type BagColumn, type Batch } from '../../core/batch.js';
import { interpolateRows } from '../../tables/interpolate-rows.js';
import { domainName, type Domain } from '../../graph/domain.js';
import type { Pooling } from '../../graph/operations.js';
import { createColumnLoader } from '../state/columns.js';
import { domainRows, itemWords, loadOffsets, type ItemWords } from '../state/items.js';
import type { Compiled } from '../compile/compile.js';
import { IndexLists, type BagItems, type GrowingWords, type ListWatch } from './lists/index-lists.js';
import { listFields } from './lists/listed-fields.js';
import type { ListShape } from './lists/table-list.js';
import type { DeviceMemory } from './memory.js';

/** Creates the index lists of a program. */
function createLists(
  compiled: Compiled,
  { wordAt, columnWords }: DeviceMemory,
  bags: readonly ItemWords[],
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
        const place = tables.itemsOf(field);
        const offsets = wordAt(place.offsets);
        if (kind === 'items') return { ...shared, at: wordAt(tables.ids(table, lookup)), offsets };
        const parents = place.rows.kind === 'items' ? wordAt(tables.itemsOf(place.rows.field).offsets) : undefined;
        return { ...shared, at: offsets, bag: bags.findIndex((each) => each.field === field), parents };
      }),
    })),
  };
  const listedAt = tables.all.map((table) => ({
    table,
    headerAt: wordAt(table.distinct),
    countAt: wordAt(table.count),
  }));
  return new IndexLists(shape, listedAt, columnWords, threads, watch);
}

/** A batch while its parts are loaded: with bags of numbers between rows, and the factors of bags by field. */
interface Loading {
  readonly of: Batch;
  readonly batch: Batch;
  readonly factors: ReadonlyMap<string, Float32Array>;
}

/** Copies batches to the words that are uploaded. */
export class Loader {
  /** Words that are written before a pass, from the first word of a device's memory on. */
  readonly upload: Uint32Array<ArrayBuffer>;
  /** Items of bags and index lists. */
  readonly items: GrowingWords = { words: new Uint32Array(1024), length: 0 };
  readonly lists: IndexLists;
  readonly #places: readonly ItemWords[];
  readonly #bags: readonly ItemWords[];
  readonly #domains: readonly Domain[];
  readonly #listedWords: number;
  readonly #scratchWords: number;
  readonly #loadColumns: readonly ReturnType<typeof createColumnLoader>[];
  readonly #withBags: (batch: Batch) => Batch;
  #firstWord = 0;
  /** Items of the pass that was started, and of the one that was finished last. */
  #begunItems: ReadonlyMap<string, number> = new Map();
  #itemCounts = this.#begunItems;
  #last: Loading | undefined;

  /**
   * @param scratchWords words of `scratch` that precede the words of index lists
   * @param threads number of further threads that make index lists
   */
  constructor(compiled: Compiled, memory: DeviceMemory, scratchWords: number, threads: number, watch: ListWatch) {
    this.upload = new Uint32Array(memory.uploadWords);
    this.#places = itemWords(compiled.tables.items, memory.wordAt);
    this.#bags = this.#places.filter(({ bag }) => bag !== undefined);
    this.#domains = compiled.domains.filter(({ kind }) => kind !== 'batch');
    this.#listedWords = memory.listedWords;
    this.#scratchWords = scratchWords;
    this.lists = createLists(compiled, memory, this.#bags, threads, watch);
    this.#loadColumns = this.lists.columns.map((words) => createColumnLoader(compiled, words, memory.wordAt));
    this.#withBags = interpolateRows(compiled.plan.layout);
  }

  /** The first word of `upload` that a device reads: it may have the ids before in index lists. */
  get firstWord(): number {
    return this.#firstWord;
  }

  /** Rows of each domain but the batch: another object for another pass, unless there are none. */
  get itemCounts(): ReadonlyMap<string, number> {
    return this.#itemCounts;
  }

  /**
   * Copies rows `begin` to `begin + rows` of a batch, which may change afterwards, and starts their index lists.
   * @param trains whether gradients are gathered: a pass at row 0 restarts the index lists
   */
  begin(given: Batch, begin: number, rows: number, trains: boolean): void {
    const loading = this.#loadingOf(given, begin);
    this.#firstWord = trains ? this.#listedWords : 0;
    const { next } = this.lists;
    this.#loadColumns[next]!(loading.batch, begin, rows);
    const loaded = new Map(
      this.#places.map((place) => [place.field, loadItems(place, loading, begin, rows, this.lists.columns[next]!)]),
    );
    if (this.#domains.length > 0)
      this.#begunItems = new Map(
        this.#domains.map((domain) => [domainName(domain), domainRows(domain, loading.batch, begin, rows)]),
      );
    const bags = this.#bags.map(({ field }) => loaded.get(field)!);
    this.lists.begin(rows, bags, begin === 0, trains);
  }

  /** Writes what was started to `upload` and `items`. */
  finish(): void {
    this.lists.finish(this.upload, this.items, this.#firstWord, this.#scratchWords);
    this.#itemCounts = this.#begunItems;
    for (const [i, { bag }] of this.#bags.entries()) {
      const { ids, factors } = this.lists.bagAt(i);
      this.upload[bag!] = ids;
      this.upload[bag! + 1] = factors;
    }
  }

  /** Returns a batch as it is loaded; its parts are loaded one after the other. */
  #loadingOf(given: Batch, begin: number): Loading {
    if (begin > 0 && this.#last?.of === given) return this.#last;
    const batch = this.#withBags(given);
    const factors = this.#bags.map(
      ({ field, pooling, counts }) =>
        [field, factorsOf(column(batch, field, 'list'), pooling!, listEnds(batch, field, counts))] as const,
    );
    this.#last = { of: given, batch, factors: new Map(factors) };
    return this.#last;
  }
}

/** Copies the items of a field for some rows to the columns of a batch; returns them. */
function loadItems(
  place: ItemWords,
  { batch, factors: factorsOfFields }: Loading,
  begin: number,
  rows: number,
  columns: Uint32Array,
): BagItems {
  const { field, ids, factors } = place;
  const { of, first, end } = loadOffsets(place, batch, begin, rows, columns);
  const items = {
    ids: of.ids.subarray(first, end),
    factors: (factorsOfFields.get(field) ?? of.weights).subarray(first, end),
  };
  if (ids !== undefined) columns.set(items.ids, ids);
  if (factors !== undefined) new Float32Array(columns.buffer).set(items.factors, factors);
  return items;
}

/**
 * Returns where the items of each row end, or the values of each item.
 * @param counts field with the number of values of each item
 */
function listEnds(batch: Batch, field: string, counts: string | undefined): Uint32Array {
  if (counts === undefined) return column(batch, field, 'list').offsets.subarray(1, batch.rows + 1);
  const { offsets, weights } = column(batch, counts, 'list');
  let sum = 0;
  return Uint32Array.from(weights.subarray(0, offsets[batch.rows]), (count) => (sum += count));
}

/** Returns a bag's weights as factors: w, w / Σ w or w / √Σ w²; 0 if the divisor is 0. */
function factorsOf(bag: BagColumn, pooling: Pooling, ends: Uint32Array): Float32Array {
  if (pooling === 'sum') return bag.weights;
  const factors = new Float32Array(ends.at(-1) ?? 0);
  let begin = 0;
  for (const end of ends) {
    let [sum, squares] = [0, 0];
    for (let i = begin; i < end; i++) {
      const weight = bag.weights[i]!;
      sum += weight;
      squares += weight * weight;
    }
    const divisor = pooling === 'mean' ? sum : Math.sqrt(squares);
    for (let i = begin; i < end; i++) factors[i] = divisor === 0 ? 0 : bag.weights[i]! / divisor;
    begin = end;
  }
  return factors;
}
