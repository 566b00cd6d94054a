import { monotonicMs } from '../../../system/clock.js';
import type { TablePlace } from '../../compile/tables.js';
import type { ListSize } from '../workgroups.js';
import { LIST_WORDS } from '../wgsl/tables.js';
import { createListTeam, type JobMemory } from './team.js';
import { itemsOfTable, jobWord, listParts, mostListWords, type ListForm, type ListShape } from './table-list.js';

/** A table with an index list, and the uploaded words of the list's header (`LIST_WORDS`) and of its number of rows. */
export interface ListedTable {
  readonly table: TablePlace;
  readonly headerAt: number;
  readonly countAt: number;
}

/** A growing array of words. */
export interface GrowingWords {
  words: Uint32Array<ArrayBuffer>;
  length: number;
}

/**
 * Rounds up to an even number. Shared memory is copied byte by byte, eight times as slowly, if source and target start
 * at different halves of eight bytes.
 */
const toTwos = (words: number): number => words + (words & 1);

/** Appends words, from an even one on; returns the first. */
function takeWords(growing: GrowingWords, count: number): number {
  const at = growing.length;
  growing.length += toTwos(count);
  if (growing.length > growing.words.length) {
    const larger = new Uint32Array(Math.max(growing.length, growing.words.length * 2));
    larger.set(growing.words.subarray(0, at));
    growing.words = larger;
  }
  return at;
}

/** Items of a bag in the rows of a pass: their ids and pooling factors. */
export interface BagItems {
  readonly ids: Uint32Array;
  readonly factors: Float32Array;
}

/**
 * Index lists: the distinct rows of tables in a step, and the items of the batch for each. Other threads make the lists
 * of a pass while this one submits the pass before; two passes alternate in memory.
 */
export interface IndexLists {
  /** Memory for the columns of two alternating passes. */
  readonly columns: readonly Uint32Array[];
  /** The one of them that the next pass uses. */
  readonly next: number;
  /**
   * Starts the lists of a pass, whose columns were copied.
   * @param isFirst whether the pass starts a step, without the rows of earlier passes
   * @param trains whether distinct rows are listed
   */
  begin(rows: number, bags: readonly BagItems[], isFirst: boolean, trains: boolean): void;
  /**
   * Writes what a device reads of the pass that was started: columns, bags, and the distinct rows of the step so far
   * with the items of this pass.
   * @param firstColumn first word of the columns that is required
   * @param scratchWords words of `scratch` that precede those of the lists
   * @throws UserError (thread) if a thread failed
   */
  finish(upload: Uint32Array, items: GrowingWords, firstColumn: number, scratchWords: number): void;
  /** Returns the first words of a bag's ids and factors in `items`. */
  bagAt(bag: number): { readonly ids: number; readonly factors: number };
  /** Returns the size of the last list of a table: one object, which changes with the next list. */
  sizeOf(table: TablePlace): ListSize;
  distinctOf(table: TablePlace): Uint32Array;
  /** Words of `scratch` that the last pass requires. */
  readonly scratchWords: number;
  /** Ends its threads. */
  end(): void;
}

/** The last list of a table, and the words of a job about it. */
interface TableList extends ListedTable {
  readonly form: ListForm;
  readonly words: Readonly<Record<'list' | 'seen' | 'seenAt' | 'count' | 'segments', number>>;
  /** Items of the pass that was started. */
  items: number;
  distinct: number;
  segments: number;
}

/** Callbacks of index lists. */
export interface ListWatch {
  /** Receives the time that this thread spent on the lists of a pass, with waiting for others. */
  onListed?(ms: number): void;
  /** Receives a warning if threads cannot start. */
  onWarning?: ((text: string) => void) | undefined;
}

/** Minimum number of items for which other threads are woken. */
const MIN_SHARED_ITEMS = 4096;

/** Two alternating jobs, and the threads that run them. */
interface Jobs {
  readonly columns: readonly Uint32Array[];
  /** Words of each job, which `reserve` may replace. */
  readonly words: readonly Uint32Array[];
  /** Ensures the size of a job. */
  reserve(job: number, words: number): void;
  /** Starts the tables of a job with a number of items. */
  start(job: number, items: number): void;
  finish(): void;
  end(): void;
}

function createJobs(shape: ListShape, columnWords: number, threads: number, onWarning: ListWatch['onWarning']): Jobs {
  const memoryOf = (jobWords: number): JobMemory => ({
    columns: new SharedArrayBuffer(4 * Math.max(1, columnWords)),
    job: new SharedArrayBuffer(4 * jobWords),
  });
  const memory: [JobMemory, JobMemory] = [memoryOf(1024), memoryOf(1024)];
  const words = memory.map(({ job }) => new Uint32Array(job));
  let team = createListTeam(shape, memory, 0);
  let isAlone = true;
  return {
    columns: memory.map(({ columns }) => new Uint32Array(columns)),
    words,
    reserve(which, count) {
      if (words[which]!.length >= count) return;
      const job = new SharedArrayBuffer(4 * Math.ceil(count * 1.5));
      memory[which] = { ...memory[which]!, job };
      words[which] = new Uint32Array(job);
      team.replace(which, job);
    },
    start(which, items) {
      if (isAlone && threads > 0 && items >= MIN_SHARED_ITEMS) {
        team = createListTeam(shape, memory, threads, onWarning);
        isAlone = false;
      }
      team.begin(which);
    },
    finish: () => team.finish(),
    end: () => team.end(),
  };
}

/** Copies bags to a job, from a word on; returns the next word. */
function writeBags(job: Uint32Array, bags: readonly BagItems[], begin: number): number {
  let end = begin;
  for (const [bag, { ids, factors }] of bags.entries()) {
    job[jobWord.bag(bag, 'firstId')] = end;
    const firstFactor = end + toTwos(ids.length);
    job[jobWord.bag(bag, 'firstFactor')] = firstFactor;
    job.set(ids, end);
    job.set(new Uint32Array(factors.buffer, factors.byteOffset, factors.length), firstFactor);
    end = firstFactor + toTwos(ids.length);
  }
  return end;
}

/** Copies a finished list to the items, and its header to the uploaded words. */
function uploadList(
  list: TableList,
  job: Uint32Array,
  upload: Uint32Array,
  items: GrowingWords,
  partials: number,
): void {
  const { words, headerAt, countAt } = list;
  const [from, count, segments] = [job[words.list]!, job[words.count]!, job[words.segments]!];
  const parts = listParts(count, segments, list.items, list.form);
  const at = takeWords(items, parts.words);
  items.words.set(job.subarray(from, from + parts.words), at);
  upload[headerAt + LIST_WORDS.distinct] = at;
  upload[headerAt + LIST_WORDS.segments] = at + parts.segments;
  upload[headerAt + LIST_WORDS.items] = at + parts.items;
  upload[headerAt + LIST_WORDS.firstSegments] = at + parts.firstSegments;
  upload[headerAt + LIST_WORDS.numSegments] = segments;
  upload[headerAt + LIST_WORDS.seen] = job[words.seen]!;
  upload[headerAt + LIST_WORDS.partials] = partials;
  upload[headerAt + LIST_WORDS.count] = count;
  upload[countAt] = count;
  list.distinct = count;
  list.segments = segments;
}

function createTableList(table: ListedTable, t: number, shape: ListShape): TableList {
  const word = (name: keyof TableList['words']): number => jobWord.table(shape, t, name);
  const words = {
    list: word('list'),
    seen: word('seen'),
    seenAt: word('seenAt'),
    count: word('count'),
    segments: word('segments'),
  };
  return { ...table, form: shape.tables[t]!.form, words, items: 0, distinct: 0, segments: 0 };
}

/**
 * Creates the index lists of tables.
 * @param columnWords words of a batch's columns
 * @param threads number of further threads, which start with the first large pass
 */
export function createIndexLists(
  shape: ListShape,
  tables: readonly ListedTable[],
  columnWords: number,
  threads: number,
  { onListed, onWarning }: ListWatch = {},
): IndexLists {
  const jobs = createJobs(shape, columnWords, threads, onWarning);
  const lists = tables.map((table, t) => createTableList(table, t, shape));
  const listOf = new Map(lists.map((list) => [list.table, list]));
  const firstItem = toTwos(jobWord.end(shape));
  let turn = 0;
  let begun = { bagWords: 0, trains: false };
  let scratch = 0;
  /** The job with the last lists. */
  let listed = jobs.words[turn]!;
  let shift = 0;
  const maxWords = ({ distinct, items, form }: TableList, isFirst: boolean): number =>
    toTwos(mostListWords(isFirst ? 0 : distinct, items, form));
  return {
    get scratchWords() {
      return scratch;
    },
    columns: jobs.columns,
    get next() {
      return 1 - turn;
    },
    begin(rows, bags, isFirst, trains) {
      turn = 1 - turn;
      let bagWords = 0;
      for (const { ids } of bags) bagWords += 2 * toTwos(ids.length);
      let [listWords, allItems] = [0, 0];
      for (const [t, list] of trains ? lists.entries() : []) {
        list.items = itemsOfTable(shape, t, jobs.columns[turn]!, rows);
        allItems += list.items;
        listWords += maxWords(list, isFirst);
      }
      jobs.reserve(turn, firstItem + bagWords + listWords);
      const [job, before] = [jobs.words[turn]!, jobs.words[1 - turn]!];
      job[jobWord.rows] = rows;
      let end = writeBags(job, bags, firstItem);
      begun = { bagWords, trains };
      if (!trains) return;
      for (const list of lists) {
        const { words, distinct } = list;
        job[words.seenAt] = before[words.list]!;
        job[words.seen] = isFirst ? 0 : distinct;
        job[words.list] = end;
        end += maxWords(list, isFirst);
      }
      jobs.start(turn, allItems);
    },
    finish(upload, items, firstColumn, scratchWords) {
      const { bagWords, trains } = begun;
      const job = jobs.words[turn]!;
      const begin = onListed === undefined ? 0 : monotonicMs();
      if (trains) jobs.finish();
      onListed?.(monotonicMs() - begin);
      upload.set(jobs.columns[turn]!.subarray(firstColumn, columnWords), firstColumn);
      items.length = 0;
      shift = takeWords(items, bagWords) - firstItem;
      if (bagWords > 0) items.words.set(job.subarray(firstItem, firstItem + bagWords), 0);
      if (!trains) return;
      [scratch, listed] = [scratchWords, job];
      for (const list of lists) {
        uploadList(list, job, upload, items, scratch);
        scratch += list.segments * list.table.width;
      }
    },
    bagAt: (bag) => ({
      ids: jobs.words[turn]![jobWord.bag(bag, 'firstId')]! + shift,
      factors: jobs.words[turn]![jobWord.bag(bag, 'firstFactor')]! + shift,
    }),
    sizeOf: (table) => listOf.get(table)!,
    distinctOf(table) {
      const { words, distinct } = listOf.get(table)!;
      const from = listed[words.list]!;
      return listed.subarray(from, from + distinct);
    },
    end: () => jobs.end(),
  };
}
