import { monotonicMs } from '../../../system/clock.js';
import type { TablePlace } from '../../compile/tables.js';
import type { ListSize } from '../workgroups.js';
import { LIST_WORDS } from '../wgsl/tables.js';
import { createListTeam, type JobMemory } from './team.js';
import { itemsOfTable, jobWord, listParts, mostListWords, type ListForm, type ListShape } from './table-list.js';

/**
 * A table whose rows are listed, and where what is said of its list goes in what is uploaded: the words of
 * `LIST_WORDS`, and its number of rows.
 */
export interface ListedTable {
  readonly table: TablePlace;
  readonly headerAt: number;
  readonly countAt: number;
}

/** Words that grow as they must; what was written stays. */
export interface GrowingWords {
  words: Uint32Array<ArrayBuffer>;
  length: number;
}

/**
 * What lies in shared memory is copied a byte at a time, eight times as slowly, where it and its copy do not begin at
 * the same half of eight bytes.
 */
const toTwos = (words: number): number => words + (words & 1);

/** Room for so many words more, from an even one on: where it begins. */
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

/** Items of a bag in the rows of a pass: their ids, and the factors that they are pooled by. */
export interface BagItems {
  readonly ids: Uint32Array;
  readonly factors: Float32Array;
}

/**
 * Which distinct rows of tables a step meets, and which items of a batch each of them has. Lists are begun, and made by
 * other threads while this
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
   * Writes what a device reads of the pass that was begun: its columns, its bags, and all distinct rows of the step so
   * far with the items of this pass,
   * and what is said of them.
   * @param firstColumn the first word of the columns that is needed
   * @param scratchWords that others have of the scratch memory
   * @throws UserError (thread) where a thread gave up
   */
  finish(upload: Uint32Array, items: GrowingWords, firstColumn: number, scratchWords: number): void;
  /** Where in `items` a bag's ids lie, and its factors. */
  bagAt(bag: number): { readonly ids: number; readonly factors: number };
  /** Of the last list of a table; the same object changes with the next. */
  sizeOf(table: TablePlace): ListSize;
  distinctOf(table: TablePlace): Uint32Array;
  /** Words of scratch memory that the last pass needs. */
  readonly scratchWords: number;
  /** Ends its threads. */
  end(): void;
}

/** The last list of a table, and where things of it are said in a job. */
interface TableList extends ListedTable {
  readonly form: ListForm;
  readonly words: Readonly<Record<'list' | 'seen' | 'seenAt' | 'count' | 'segments', number>>;
  /** Items of the pass that was begun. */
  items: number;
  distinct: number;
  segments: number;
}

/** Told of what making lists takes. */
export interface ListWatch {
  /** How long this thread made those of a pass that others had not begun, and waited for those that they had. */
  onListed?(ms: number): void;
  /** That others cannot start. */
  onWarning?: ((text: string) => void) | undefined;
}

/** Fewer items than this are listed before another thread has woken up. */
const MIN_SHARED_ITEMS = 4096;

/**
 * Index lists for tables.
 * @param columnWords of a batch
 * @param threads beside this one, which start with the first pass that is worth it
 */
export function createIndexLists(
  shape: ListShape,
  tables: readonly ListedTable[],
  columnWords: number,
  threads: number,
  { onListed, onWarning }: ListWatch = {},
): IndexLists {
  const memoryOf = (jobWords: number): JobMemory => ({
    columns: new SharedArrayBuffer(4 * Math.max(1, columnWords)),
    job: new SharedArrayBuffer(4 * jobWords),
  });
  const memory: [JobMemory, JobMemory] = [memoryOf(1024), memoryOf(1024)];
  const columns = memory.map((each) => new Uint32Array(each.columns));
  const jobs = memory.map((each) => new Uint32Array(each.job));
  let team = createListTeam(shape, memory, 0);
  let isAlone = true;
  const lists = tables.map((table, t): TableList => {
    const word = (what: 'list' | 'seen' | 'seenAt' | 'count' | 'segments'): number => jobWord.table(shape, t, what);
    const words = {
      list: word('list'),
      seen: word('seen'),
      seenAt: word('seenAt'),
      count: word('count'),
      segments: word('segments'),
    };
    return { ...table, form: shape.tables[t]!.form, words, items: 0, distinct: 0, segments: 0 };
  });
  const listOf = new Map(lists.map((list) => [list.table, list]));
  const firstItem = toTwos(jobWord.end(shape));
  let turn = 0;
  let begun = { bagWords: 0, trains: false };
  let scratch = 0;
  /** The job with the last lists. */
  let listed = jobs[turn]!;
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
      team = createListTeam(shape, memory, threads, onWarning);
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
      const now = columns[turn]!;
      let bagWords = 0;
      for (const { ids } of bags) bagWords += 2 * toTwos(ids.length);
      let [most, all] = [0, 0];
      if (trains) {
        for (let t = 0; t < lists.length; t++) {
          const list = lists[t]!;
          list.items = itemsOfTable(shape, t, now, rows);
          all += list.items;
          most += toTwos(mostListWords(isFirst ? 0 : list.distinct, list.items, list.form));
        }
      }
      reserve(turn, firstItem + bagWords + most);
      const [job, before] = [jobs[turn]!, jobs[1 - turn]!];
      job[jobWord.rows] = rows;
      let end = firstItem;
      for (const [bag, { ids, factors }] of bags.entries()) {
        job[jobWord.bag(bag, 'firstId')] = end;
        const firstFactor = end + toTwos(ids.length);
        job[jobWord.bag(bag, 'firstFactor')] = firstFactor;
        job.set(ids, end);
        job.set(new Uint32Array(factors.buffer, factors.byteOffset, factors.length), firstFactor);
        end = firstFactor + toTwos(ids.length);
      }
      begun = { bagWords, trains };
      if (!trains) return;
      for (const { words, distinct, items, form } of lists) {
        const seen = isFirst ? 0 : distinct;
        job[words.seenAt] = before[words.list]!;
        job[words.seen] = seen;
        job[words.list] = end;
        end += toTwos(mostListWords(seen, items, form));
      }
      start(all);
    },
    finish(upload, items, firstColumn, scratchWords) {
      const { bagWords, trains } = begun;
      const job = jobs[turn]!;
      const begin = onListed === undefined ? 0 : monotonicMs();
      if (trains) team.finish();
      onListed?.(monotonicMs() - begin);
      upload.set(columns[turn]!.subarray(firstColumn, columnWords), firstColumn);
      items.length = 0;
      shift = takeWords(items, bagWords) - firstItem;
      if (bagWords > 0) items.words.set(job.subarray(firstItem, firstItem + bagWords), 0);
      if (!trains) return;
      [scratch, listed] = [scratchWords, job];
      for (const list of lists) {
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
        upload[headerAt + LIST_WORDS.partials] = scratch;
        upload[headerAt + LIST_WORDS.count] = count;
        upload[countAt] = count;
        list.distinct = count;
        list.segments = segments;
        scratch += segments * list.table.width;
      }
    },
    bagAt: (bag) => ({
      ids: jobs[turn]![jobWord.bag(bag, 'firstId')]! + shift,
      factors: jobs[turn]![jobWord.bag(bag, 'firstFactor')]! + shift,
    }),
    sizeOf: (table) => listOf.get(table)!,
    distinctOf(table) {
      const { words, distinct } = listOf.get(table)!;
      const from = listed[words.list]!;
      return listed.subarray(from, from + distinct);
    },
    end: () => team.end(),
  };
}
