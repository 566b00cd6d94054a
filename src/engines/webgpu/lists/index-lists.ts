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
 * Index lists: the distinct rows of tables in a step, and the items of the batch for each. Other threads make the lists
 * of a pass while this one submits the pass before; two passes alternate in memory.
 */
export class IndexLists {
  readonly #shape: ListShape;
  readonly #columnWords: number;
  readonly #jobs: Jobs;
  readonly #lists: readonly TableList[];
  readonly #onListed: ListWatch['onListed'];
  readonly #firstItem: number;
  /** The job that was started last. */
  #turn = 0;
  #trains = false;
  #bagWords = 0;
  #scratchWords = 0;
  /** The job with the last lists. */
  #listed: Uint32Array;
  /** Words from bags in a job to those in the items. */
  #shift = 0;

  /**
   * @param columnWords words of a batch's columns
   * @param threads number of further threads, which start with the first large pass
   */
  constructor(
    shape: ListShape,
    tables: readonly ListedTable[],
    columnWords: number,
    threads: number,
    { onListed, onWarning }: ListWatch = {},
  ) {
    this.#shape = shape;
    this.#columnWords = columnWords;
    this.#jobs = createJobs(shape, columnWords, threads, onWarning);
    this.#lists = tables.map((table, t) => createTableList(table, t, shape));
    this.#onListed = onListed;
    this.#firstItem = toTwos(jobWord.end(shape));
    this.#listed = this.#jobs.words[0]!;
  }

  /** Memory for the columns of two alternating passes. */
  get columns(): readonly Uint32Array[] {
    return this.#jobs.columns;
  }

  /** The one of them that the next pass uses. */
  get next(): number {
    return 1 - this.#turn;
  }

  /** Words of `scratch` that the last pass requires. */
  get scratchWords(): number {
    return this.#scratchWords;
  }

  /**
   * Starts the lists of a pass, whose columns were copied.
   * @param isFirst whether the pass starts a step, without the rows of earlier passes
   * @param trains whether distinct rows are listed
   */
  begin(rows: number, bags: readonly BagItems[], isFirst: boolean, trains: boolean): void {
    this.#turn = 1 - this.#turn;
    this.#trains = trains;
    this.#bagWords = bags.reduce((sum, { ids }) => sum + 2 * toTwos(ids.length), 0);
    const maxWords = ({ distinct, items, form }: TableList): number =>
      toTwos(mostListWords(isFirst ? 0 : distinct, items, form));
    const lists = trains ? this.#lists : [];
    for (const [t, list] of lists.entries())
      list.items = itemsOfTable(this.#shape, t, this.#jobs.columns[this.#turn]!, rows);
    const listWords = lists.reduce((sum, list) => sum + maxWords(list), 0);
    this.#jobs.reserve(this.#turn, this.#firstItem + this.#bagWords + listWords);
    const [job, before] = [this.#jobs.words[this.#turn]!, this.#jobs.words[1 - this.#turn]!];
    job[jobWord.rows] = rows;
    let end = writeBags(job, bags, this.#firstItem);
    if (!trains) return;
    for (const list of lists) {
      const { words, distinct } = list;
      job[words.seenAt] = before[words.list]!;
      job[words.seen] = isFirst ? 0 : distinct;
      job[words.list] = end;
      end += maxWords(list);
    }
    this.#jobs.start(
      this.#turn,
      lists.reduce((sum, list) => sum + list.items, 0),
    );
  }

  /**
   * Writes what a device reads of the pass that was started: columns, bags, and the distinct rows of the step so far
   * with the items of this pass.
   * @param firstColumn first word of the columns that is required
   * @param scratchWords words of `scratch` that precede the words of the lists
   * @throws UserError (thread) if a thread failed
   */
  finish(upload: Uint32Array, items: GrowingWords, firstColumn: number, scratchWords: number): void {
    const job = this.#jobs.words[this.#turn]!;
    const begin = this.#onListed === undefined ? 0 : monotonicMs();
    if (this.#trains) this.#jobs.finish();
    this.#onListed?.(monotonicMs() - begin);
    upload.set(this.columns[this.#turn]!.subarray(firstColumn, this.#columnWords), firstColumn);
    items.length = 0;
    const bagsAt = takeWords(items, this.#bagWords);
    this.#shift = bagsAt - this.#firstItem;
    items.words.set(job.subarray(this.#firstItem, this.#firstItem + this.#bagWords), bagsAt);
    if (!this.#trains) return;
    this.#scratchWords = scratchWords;
    this.#listed = job;
    for (const list of this.#lists) {
      uploadList(list, job, upload, items, this.#scratchWords);
      this.#scratchWords += list.segments * list.table.width;
    }
  }

  /** Returns the first words of a bag's ids and factors in `items`. */
  bagAt(bag: number): { readonly ids: number; readonly factors: number } {
    const job = this.#jobs.words[this.#turn]!;
    return {
      ids: job[jobWord.bag(bag, 'firstId')]! + this.#shift,
      factors: job[jobWord.bag(bag, 'firstFactor')]! + this.#shift,
    };
  }

  /** Returns the size of the last list of a table: one object, which changes with the next list. */
  sizeOf(table: TablePlace): ListSize {
    return this.#listOf(table);
  }

  distinctOf(table: TablePlace): Uint32Array {
    const { words, distinct } = this.#listOf(table);
    const from = this.#listed[words.list]!;
    return this.#listed.subarray(from, from + distinct);
  }

  end(): void {
    this.#jobs.end();
  }

  #listOf(table: TablePlace): TableList {
    return this.#lists.find((list) => list.table === table)!;
  }
}
