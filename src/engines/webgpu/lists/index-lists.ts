import type { TablePlace } from '../../simd/tables.js';
import type { ListSize } from '../dispatches.js';
import { LIST_WORDS } from '../wgsl/tables.js';
import { createListTeam, type JobMemory } from './team.js';
import { hasFactors, itemsOfTable, jobWord, listParts, mostListWords, type ListShape } from './table-list.js';

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

/** Items of a bag in the rows of a pass: their ids, and the factors that they are pooled by. */
export interface BagItems {
  readonly ids: Uint32Array;
  readonly factors: Float32Array;
}

/**
 * Which distinct rows of tables a step meets, and which items of a batch each of them has. Lists are begun, and made by other threads while this
 * one hands over the pass before; two passes have memory in turns.
 */
export interface IndexLists {
  /** Where the columns of a pass are copied to, from 0 on: two places in turns. */
  readonly columns: readonly Uint32Array[];
  /** Which of them is that of the pass that is begun next. */
  readonly next: number;
  /**
   * Begins a pass, whose columns were copied.
   * @param isFirst whether the rows of the step before are forgotten
   * @param trains whether distinct rows are listed
   */
  begin(rows: number, bags: readonly BagItems[], isFirst: boolean, trains: boolean): void;
  /**
   * Writes what a device reads of the pass that was begun: its columns, its bags, and all distinct rows of the step so far with the items of this pass.
   * @param scratchWords that others have of the scratch memory
   * @throws UserError (thread) where a thread gave up
   */
  finish(upload: Uint32Array, items: GrowingWords, scratchWords: number): void;
  /** Where in `items` a bag's ids lie, and its factors. */
  bagAt(bag: number): { readonly ids: number; readonly factors: number };
  /** What is said of a table: its header's words. */
  header(table: TablePlace): Uint32Array;
  sizeOf(table: TablePlace): ListSize;
  distinctOf(table: TablePlace): Uint32Array;
  /** Words of scratch memory that the last pass needs. */
  readonly scratchWords: number;
  /** Ends its threads. */
  end(): void;
}

interface TableList {
  readonly header: Uint32Array;
  distinct: Uint32Array;
  count: number;
  segments: number;
}

/** Fewer items than this are listed before another thread has woken up. */
const MIN_SHARED_ITEMS = 4096;

/**
 * Index lists for tables.
 * @param columnWords of a batch
 * @param threads beside this one, which start with the first pass that is worth it
 */
export function createIndexLists(shape: ListShape, tables: readonly TablePlace[], columnWords: number, threads: number): IndexLists {
  const memoryOf = (jobWords: number): JobMemory => ({ columns: new SharedArrayBuffer(4 * Math.max(1, columnWords)), job: new SharedArrayBuffer(4 * jobWords) });
  const memory: [JobMemory, JobMemory] = [memoryOf(1024), memoryOf(1024)];
  const columns = memory.map((each) => new Uint32Array(each.columns));
  const jobs = memory.map((each) => new Uint32Array(each.job));
  let team = createListTeam(shape, memory, 0);
  let isAlone = true;
  const lists = new Map(tables.map((table): [TablePlace, TableList] => [table, { header: new Uint32Array(Object.keys(LIST_WORDS).length), distinct: new Uint32Array(0), count: 0, segments: 0 }]));
  const firstItem = jobWord.end(shape);
  let turn = 0;
  let begun = { rows: 0, bagWords: 0, trains: false };
  let scratch = 0;
  let shift = 0;

  const reserve = (which: number, words: number): void => {
    if (jobs[which]!.length >= words) return;
    const job = new SharedArrayBuffer(4 * Math.ceil(words * 1.5));
    memory[which] = { ...memory[which]!, job };
    jobs[which] = new Uint32Array(job);
    team.replace(which, job);
  };
  const start = (items: number): void => {
    if (isAlone && threads > 0 && items >= MIN_SHARED_ITEMS) {
      team = createListTeam(shape, memory, threads);
      isAlone = false;
    }
    team.begin(turn);
  };

  return {
    get scratchWords() {
      return scratch;
    },
    columns,
    get next() {
      return 1 - turn;
    },
    begin(rows, bags, isFirst, trains) {
      turn = 1 - turn;
      const [now, bagWords] = [columns[turn]!, bags.reduce((sum, { ids }) => sum + 2 * ids.length, 0)];
      const totals = shape.tables.map((_, t) => (trains ? itemsOfTable(shape, t, now, rows) : 0));
      const seen = tables.map((table) => (isFirst ? 0 : lists.get(table)!.count));
      const most = totals.map((items, t) => (trains ? mostListWords(seen[t]!, items, hasFactors(shape.tables[t]!)) : 0));
      reserve(turn, firstItem + bagWords + most.reduce((sum, words) => sum + words, 0));
      const [job, before] = [jobs[turn]!, jobs[1 - turn]!];
      job[jobWord.rows] = rows;
      let end = firstItem;
      for (const [bag, { ids, factors }] of bags.entries()) {
        job[jobWord.bag(bag, 'firstId')] = end;
        job[jobWord.bag(bag, 'firstFactor')] = end + ids.length;
        job.set(ids, end);
        job.set(new Uint32Array(factors.buffer, factors.byteOffset, factors.length), end + ids.length);
        end += 2 * ids.length;
      }
      begun = { rows, bagWords, trains };
      if (!trains) return;
      for (let t = 0; t < most.length; t++) {
        job[jobWord.table(shape, t, 'seenAt')] = before[jobWord.table(shape, t, 'list')]!;
        job[jobWord.table(shape, t, 'seen')] = seen[t]!;
        job[jobWord.table(shape, t, 'list')] = end;
        end += most[t]!;
      }
      start(totals.reduce((sum, items) => sum + items, 0));
    },
    finish(upload, items, scratchWords) {
      const { rows, bagWords, trains } = begun;
      const job = jobs[turn]!;
      if (trains) team.finish();
      upload.set(columns[turn]!.subarray(0, columnWords));
      items.length = 0;
      shift = takeWords(items, bagWords) - firstItem;
      items.words.set(job.subarray(firstItem, firstItem + bagWords), 0);
      if (!trains) return;
      scratch = scratchWords;
      for (const [t, table] of tables.entries()) {
        const of = (what: 'list' | 'seen' | 'count' | 'segments'): number => job[jobWord.table(shape, t, what)]!;
        const list = lists.get(table)!;
        const [from, count, segments] = [of('list'), of('count'), of('segments')];
        const parts = listParts(count, segments, itemsOfTable(shape, t, columns[turn]!, rows), hasFactors(shape.tables[t]!));
        const at = takeWords(items, parts.words);
        items.words.set(job.subarray(from, from + parts.words), at);
        const { header } = list;
        header[LIST_WORDS.distinct] = at;
        header[LIST_WORDS.segments] = at + parts.segments;
        header[LIST_WORDS.items] = at + parts.items;
        header[LIST_WORDS.firstSegments] = at + parts.firstSegments;
        header[LIST_WORDS.numSegments] = segments;
        header[LIST_WORDS.seen] = of('seen');
        header[LIST_WORDS.partials] = scratch;
        header[LIST_WORDS.count] = count;
        Object.assign(list, { distinct: job.subarray(from, from + count), count, segments });
        scratch += segments * table.width;
      }
    },
    bagAt: (bag) => ({ ids: jobs[turn]![jobWord.bag(bag, 'firstId')]! + shift, factors: jobs[turn]![jobWord.bag(bag, 'firstFactor')]! + shift }),
    header: (table) => lists.get(table)!.header,
    sizeOf(table) {
      const { count, segments } = lists.get(table)!;
      return { distinct: count, segments };
    },
    distinctOf: (table) => lists.get(table)!.distinct,
    end: () => team.end(),
  };
}
