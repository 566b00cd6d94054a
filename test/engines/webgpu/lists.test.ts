/** @module-tag long */
import { afterEach, describe, expect, it } from 'vitest';
import { createListTeam, type JobMemory, type ListTeam } from '../../../src/engines/webgpu/lists/team.js';
import {
  jobWord,
  listForm,
  listParts,
  mostListWords,
  type ListShape,
} from '../../../src/engines/webgpu/lists/table-list.js';
import { randomStream } from '../../../src/core/random.js';

// Four tables: with two fields of ids; with one; with a field of ids and a bag; and with a field of ids and a sequence.
const ROWS = 300;
const MAX_ITEMS = 3;
/** First words of columns after the ids: offsets of a bag, offsets of a sequence and its items. */
const AT = { bag: 4 * ROWS, offsets: 5 * ROWS + 1, items: 6 * ROWS + 2 };
const COLUMNS = AT.items + MAX_ITEMS * ROWS;
const LD = 32;
const ITEM_LD = 8;
const SHAPE: ListShape = {
  numBags: 1,
  tables: [
    {
      fields: [
        { at: 0, offset: 0, ld: LD },
        { at: ROWS, offset: 4, ld: LD },
      ],
      form: listForm([false, false], ROWS),
    },
    { fields: [{ at: 2 * ROWS, offset: 8, ld: LD }], form: listForm([false], ROWS) },
    {
      fields: [
        { at: 3 * ROWS, offset: 16, ld: LD },
        { at: AT.bag, offset: 20, ld: LD, bag: 0 },
      ],
      form: listForm([false, true], ROWS),
    },
    {
      fields: [
        { at: ROWS, offset: 0, ld: LD },
        { at: AT.items, offset: 9600, ld: ITEM_LD, offsets: AT.offsets },
      ],
      form: listForm([false, false], MAX_ITEMS * ROWS),
    },
  ],
};

interface Item {
  readonly row: number;
  readonly at: number;
  readonly factor: number;
}
interface Job {
  readonly columns: Uint32Array;
  readonly ids: Uint32Array;
  readonly factors: Float32Array;
}

function draw(seed: number): Job {
  const random = randomStream(seed, 'lists');
  const columns = Uint32Array.from({ length: COLUMNS }, () => random.below(40));
  for (const at of [AT.bag, AT.offsets]) {
    columns[at] = 0;
    for (let b = 0; b < ROWS; b++) columns[at + b + 1] = columns[at + b]! + random.below(MAX_ITEMS + 1);
  }
  const items = columns[AT.bag + ROWS]!;
  return {
    columns,
    ids: Uint32Array.from({ length: items }, () => random.below(25)),
    factors: Float32Array.from({ length: items }, () => random.uniform()),
  };
}

/** Returns the items of each table, in the order of fields and rows. */
function itemsOf({ columns, ids, factors }: Job): Item[][] {
  return SHAPE.tables.map(({ fields }) =>
    fields.flatMap(({ at, offset, ld, bag, offsets }) =>
      Array.from({ length: offsets === undefined ? ROWS : columns[offsets + ROWS]! }, (_, b) => b).flatMap((b) => {
        if (bag === undefined) return [{ row: columns[at + b]!, at: b * ld + offset, factor: 1 }];
        return [...ids.subarray(columns[at + b], columns[at + b + 1])].map((row, k) => ({
          row,
          at: b * ld + offset,
          factor: factors[columns[at + b]! + k]!,
        }));
      }),
    ),
  );
}

const teams: ListTeam[] = [];
afterEach(() => teams.splice(0).forEach((team) => team.end()));

/**
 * Runs jobs alternately in two memories; each except the first continues with the rows of the previous one. Returns all
 * words of each.
 */
function run(
  threads: number,
  jobs: readonly Job[],
): { readonly words: Uint32Array; readonly seen: readonly number[] }[] {
  const memoryOf = (): JobMemory => ({ columns: new SharedArrayBuffer(4 * COLUMNS), job: new SharedArrayBuffer(4) });
  const memory: [JobMemory, JobMemory] = [memoryOf(), memoryOf()];
  const team = createListTeam(SHAPE, memory, threads);
  teams.push(team);
  const words = memory.map(({ job }) => new Uint32Array(job));
  let lists: readonly { readonly at: number; readonly count: number }[] = SHAPE.tables.map(() => ({ at: 0, count: 0 }));
  return jobs.map(({ columns, ids, factors }, j) => {
    const which = j & 1;
    const items = itemsOf({ columns, ids, factors });
    const most = items.map((all, t) => mostListWords(lists[t]!.count, all.length, SHAPE.tables[t]!.form));
    const begin = jobWord.end(SHAPE) + 2 * ids.length;
    const buffer = new SharedArrayBuffer(4 * (begin + most.reduce((sum, size) => sum + size, 0)));
    words[which] = new Uint32Array(buffer);
    team.replace(which, buffer);
    const job = words[which];
    new Uint32Array(memory[which]!.columns).set(columns);
    job[jobWord.rows] = ROWS;
    job[jobWord.bag(0, 'firstId')] = jobWord.end(SHAPE);
    job[jobWord.bag(0, 'firstFactor')] = jobWord.end(SHAPE) + ids.length;
    job.set(ids, jobWord.end(SHAPE));
    job.set(new Uint32Array(factors.buffer), jobWord.end(SHAPE) + ids.length);
    const seen = lists.map(({ count }) => count);
    most.reduce((at, size, t) => {
      job[jobWord.table(SHAPE, t, 'list')] = at;
      job[jobWord.table(SHAPE, t, 'seen')] = lists[t]!.count;
      job[jobWord.table(SHAPE, t, 'seenAt')] = lists[t]!.at;
      return at + size;
    }, begin);
    team.begin(which);
    team.finish();
    lists = SHAPE.tables.map((_, t) => ({
      at: job[jobWord.table(SHAPE, t, 'list')]!,
      count: job[jobWord.table(SHAPE, t, 'count')]!,
    }));
    return { words: job.slice(), seen };
  });
}

describe('index lists', () => {
  const jobs = Array.from({ length: 40 }, (_, seed) => draw(seed));

  it('use 16-bit items if a table has one field of ids and the rows of a batch fit', () => {
    expect(SHAPE.tables.map(({ form }) => form.isShort)).toEqual([false, true, false, false]);
    expect(listForm([false], 65_535).isShort).toBe(true);
    expect(listForm([false], 65_536).isShort).toBe(false);
    expect(listForm([true], 20)).toEqual({ hasFactors: true, isShort: false });
  });

  it('have every item once, grouped by row in batch order, in segments of at most 32', () => {
    const known = SHAPE.tables.map(() => [] as number[]);
    for (const [j, { words, seen }] of run(0, jobs.slice(0, 3)).entries()) {
      for (const [t, items] of itemsOf(jobs[j]!).entries()) {
        const of = (what: 'list' | 'count' | 'segments'): number => words[jobWord.table(SHAPE, t, what)]!;
        const [list, count] = [of('list'), of('count')];
        const distinct = [...words.subarray(list, list + count)];
        expect(distinct.slice(0, seen[t])).toEqual(known[t]!);
        known[t] = [...new Set([...known[t]!, ...items.map(({ row }) => row)])];
        expect(distinct).toEqual(known[t]);
        const parts = listParts(count, of('segments'), items.length, SHAPE.tables[t]!.form);
        const halves = new Uint16Array(words.buffer);
        const { isShort } = SHAPE.tables[t]!.form;
        const word = (part: 'firstSegments' | 'segments' | 'items', i: number): number =>
          isShort ? halves[2 * (list + parts[part]) + i]! : words[list + parts[part] + i]!;
        const factor = new Float32Array(1);
        for (const [u, row] of distinct.entries()) {
          const found: Omit<Item, 'row'>[] = [];
          for (let segment = word('firstSegments', u); segment < word('firstSegments', u + 1); segment++) {
            const [first, end] = [word('segments', segment), word('segments', segment + 1)];
            expect(end - first).toBeLessThanOrEqual(32);
            for (let i = first; i < end; i++) {
              new Uint32Array(factor.buffer)[0] = t === 2 ? word('items', 2 * i + 1) : 0x3f800000;
              const item = word('items', t === 2 ? 2 * i : i);
              found.push({ at: isShort ? item * LD + SHAPE.tables[t]!.fields[0]!.offset : item, factor: factor[0]! });
            }
          }
          expect(found).toEqual(
            items.filter((item) => item.row === row).map(({ at, factor: of1 }) => ({ at, factor: of1 })),
          );
        }
      }
    }
  });

  it('are the same for any number of threads', () => {
    const alone = run(0, jobs);
    expect(run(2, jobs)).toEqual(alone);
    expect(new Set(alone.map(({ words }) => words.length)).size).toBeGreaterThan(10);
  });
});
