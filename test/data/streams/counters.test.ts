import { column } from '../../../src/core/batch.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { randomStream } from '../../../src/core/random.js';
import { taskOptions, type Task } from '../../../src/core/tasks.js';
import type { CountersOptions } from '../../../src/data/counter-options.js';
import { CounterPlan } from '../../../src/data/counters/counter-plan.js';
import { splitStates } from '../../../src/data/counters/counter-start.js';
import { followOptions } from '../../../src/data/follow-options.js';
import { joinOptions } from '../../../src/data/join-options.js';
import { dataOptions } from '../../../src/data/options.js';
import { encodedFormat, createRowFormat } from '../../../src/data/rows/row-format.js';
import { DeadLetters } from '../../../src/data/streams/dead-letters.js';
import { fitHead } from '../../../src/data/streams/fit-head.js';
import { FollowedCounters } from '../../../src/data/streams/followed-counters.js';
import { FollowedStream, openFollowed } from '../../../src/data/streams/followed-stream.js';
import { checkJoinedCounters } from '../../../src/data/streams/joined-counters.js';
import { firstStreamState, type StreamState } from '../../../src/data/streams/stream-state.js';
import { featureTypes } from '../../../src/features/feature-types.js';
import { COUNT, counters, HOUR, LOG, logs, NAMES, oracle, type LogRow } from '../../support/counter-log.js';
import { scratchFolder } from '../../support/scratch.js';

// Counters of a stream against a definition that looks at every earlier event of every row.

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click', onMissing: 'mask' }) }];
const groups = [featureTypes.schema.parse({ type: 'numeric', fields: NAMES, scaling: 'none' })];
const format = createRowFormat({ tasks, groups });
let folder: string;
let path: string;
beforeEach(() => {
  folder = scratchFolder();
  path = join(folder, 'log.jsonl');
});

function writeLog(rows: readonly LogRow[]): void {
  const lines = rows.map(({ time, ...row }) => JSON.stringify({ ...row, time: time / 1000 }));
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
}

interface Following {
  /** Keys of `data`. */
  readonly data?: object;
  readonly options?: CountersOptions;
  readonly batchRows?: number;
  /** Number of batches after which the run is stopped and resumed. */
  readonly resumeAfter?: number;
}

/** Follows the log; returns the values of the rows of all batches, and the last state. */
async function follow({ data: keys, options = counters(), batchRows = 1, resumeAfter = Infinity }: Following = {}) {
  const reading = { endsWhenEmpty: true, signal: new AbortController().signal, onWarning: () => undefined };
  const data = dataOptions.parse({ train: path, counters: options, ...keys });
  const plan = new CounterPlan(options, data, tasks);
  const settings = followOptions.parse({ maxRejects: 1 });
  const values: number[][] = [];
  let state: StreamState = firstStreamState();
  let own = new FollowedCounters(plan);
  const first = await openFollowed(data, format, settings);
  const { fitted } = await fitHead(first, format, 1000, reading, () => undefined, [own.preview()]);
  await first.close();
  for (let isResumed = false; ; isResumed = true) {
    const stream = await openFollowed(data, format, settings);
    const followed = new FollowedStream({
      stream,
      format: encodedFormat(format, fitted),
      states: [own],
      options: settings,
      batchRows,
      letters: new DeadLetters(join(folder, 'rejects.csv'), state, settings.maxRejects * settings.windowRows),
      state,
      onSchemaChange: () => undefined,
    });
    let batches = 0;
    for await (const read of followed.batches(reading)) {
      const { batch } = read;
      for (let row = 0; row < batch.rows; row++)
        values.push(NAMES.map((name) => column(batch, name, 'f32').data[row]!));
      followed.moveAfter(read);
      if (!isResumed && ++batches === resumeAfter) break;
    }
    await stream.close();
    if (isResumed || batches < resumeAfter) return { values, state: own.full(), rejected: state.rejected };
    state = structuredClone(state);
    own = FollowedCounters.resume(plan, splitStates(own.full()));
  }
}

/** Rows that are not older than an earlier one by more than the tolerance. */
function withoutLate(rows: readonly LogRow[], toleranceMs: number): readonly LogRow[] {
  let latest = -Infinity;
  return rows.filter(({ time }) => {
    if (time < latest - toleranceMs) return false;
    latest = Math.max(latest, time);
    return true;
  });
}

/** A log whose rows are out of order. */
function shuffled(rows: readonly LogRow[], maxSeconds: number): readonly LogRow[] {
  const random = randomStream(1, 'shuffled');
  return rows.map((row) => ({ ...row, time: row.time - 1000 * random.below(maxSeconds) }));
}

describe('counters of a stream', () => {
  it('equal the definition on random logs with rows of equal times', async () => {
    await fc.assert(
      fc.asyncProperty(logs, fc.integer({ min: 1, max: 4 }), async (rows, batchRows) => {
        writeLog(rows);
        const whole = rows.length - (rows.length % batchRows);
        expect((await follow({ batchRows })).values).toEqual(oracle(rows).slice(0, whole));
      }),
      { numRuns: 30 },
    );
  });

  it.each([0, 3])('neither count nor train on rows that are late by more than %i hours', async (hours) => {
    const rows = shuffled(LOG, 5 * 3600);
    writeLog(rows);
    const options = counters({ tolerance: `${hours}h` });
    const inTime = withoutLate(rows, hours * HOUR);
    const { values, rejected } = await follow({ options });
    expect(rejected).toBeGreaterThan(10);
    expect(values).toEqual(oracle(inTime, options, hours * HOUR));
  });

  it.each([2, 1e308])('neither count nor train on a label of %d', async (click) => {
    const invalid = (r: number): boolean => r % 50 === 7;
    writeLog(LOG.map((row, r) => (invalid(r) ? { ...row, click } : row)));
    const { values, rejected } = await follow();
    expect(rejected).toBe(12);
    const expected = oracle(LOG.map((row, r) => (invalid(r) ? { ...row, click: undefined } : row)));
    expect(values).toEqual(expected.filter((_, r) => !invalid(r)));
  });

  it('are bitwise identical after a resume, also of records that wait for their batch', async () => {
    writeLog(shuffled(LOG, 2 * 3600));
    const options = counters({ tolerance: '1h' });
    const whole = await follow({ options, batchRows: 7 });
    for (const resumeAfter of [1, 5, 40]) {
      const resumed = await follow({ options, batchRows: 7, resumeAfter });
      expect(resumed).toEqual(whole);
    }
  });

  it('keep the values of records that were counted before their batch was complete', async () => {
    writeLog(LOG.slice(0, 50));
    const plan = new CounterPlan(counters(), {}, []);
    const { state, values } = await follow({ batchRows: 8 });
    expect(values.length).toBe(48);
    expect(state.get('0.ahead')!.shape).toEqual([2, NAMES.length]);
    // A run that continues with smaller batches reads the same values.
    const resumed = FollowedCounters.resume(plan, splitStates(state));
    expect(resumed.full()).toEqual(state);
  });

  it('forget keys without events in the window', async () => {
    const rows = Array.from({ length: 3000 }, (_, i) => ({ time: i * HOUR, item: `i${i}`, user: `u${i}`, click: 1 }));
    writeLog(rows);
    const bytes = async (): Promise<number> =>
      [...(await follow({ batchRows: 100 })).state.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    const all = await bytes();
    writeLog(rows.slice(0, 300));
    expect(all).toBeLessThan(1.2 * (await bytes()));
  });

  it('refuse a record with the name of a counter', async () => {
    path = join(folder, 'log.csv');
    writeFileSync(path, 'time,item,user,click,shows\n1,a,b,1,2\n');
    await expect(follow()).rejects.toThrow('rename data.counters.count.shows');
  });
});

const WITHIN_SECONDS = 3600;
const JOIN = {
  key: 'id',
  time: 'time',
  timeFormat: 'seconds',
  events: { click: { file: 'clicks', within: `${WITHIN_SECONDS}s` } },
};
// The labels of counters are known when a click is certain.
const JOINED = counters({
  delay: `${WITHIN_SECONDS}s`,
  tolerance: `${WITHIN_SECONDS}s`,
  count: { ...COUNT, exact: { ...COUNT.exact, delay: '2h' } },
});

/** Writes logs of rows and clicks; returns the rows, those of clicks, and the joined ones in the order of the join. */
function writeLogs(numRows: number) {
  const random = randomStream(2, 'joined');
  const rows = Array.from({ length: numRows }, (_, r) => ({
    id: `r${r}`,
    time: 1_750_000_000 + 600 * Math.floor(r / 2),
    item: `i${random.below(5)}`,
    user: `u${random.below(3)}`,
  }));
  const clicks = rows
    .filter(() => random.uniform() < 0.5)
    // Times of clicks differ from each other and from those of rows.
    .map((row, c) => ({ ...row, time: row.time + random.below(1.5 * WITHIN_SECONDS) + (c + 1) / 1024 }))
    .sort((a, b) => a.time - b.time);
  const textOf = (records: readonly object[]): string => records.map((each) => `${JSON.stringify(each)}\n`).join('');
  writeFileSync(path, textOf(rows));
  const clickPath = join(folder, 'clicks.jsonl');
  writeFileSync(clickPath, textOf(clicks.map(({ id, time }) => ({ id, time }))));
  const clickedAt = new Map(clicks.map(({ id, time }) => [id, time]));
  const end = Math.max(rows.at(-1)!.time, clicks.at(-1)!.time);
  const joined = rows
    .map(({ id, time, ...row }) => {
      const closes = time + WITHIN_SECONDS;
      const at = clickedAt.get(id) ?? Infinity;
      return { ...row, time: 1000 * time, click: Number(at <= closes), certain: Math.min(at, closes) };
    })
    .filter(({ certain }) => certain < end)
    .sort((a, b) => a.certain - b.certain);
  return {
    rows,
    clicks,
    joined,
    data: { join: { ...JOIN, events: { click: { ...JOIN.events.click, file: clickPath } } } },
  };
}

describe('counters of joined rows', () => {
  it('equal the definition, and see nothing that happens after a row', async () => {
    const { rows, clicks, joined, data } = writeLogs(300);
    const { values } = await follow({ data, options: JOINED });
    expect(values).toEqual(oracle(joined, JOINED, 1000 * WITHIN_SECONDS));
    for (const [r, { time, item }] of joined.entries()) {
      const before = (records: typeof rows): number =>
        records.filter((each) => each.item === item && 1000 * each.time < time).length;
      expect(values[r]![NAMES.indexOf('shows')]).toBeLessThanOrEqual(before(rows));
      expect(values[r]![NAMES.indexOf('clicks')]).toBeLessThanOrEqual(before(clicks));
    }
    expect(Math.max(...values.map(([shows]) => shows!))).toBeGreaterThan(20);
  });

  it('are bitwise identical after a resume, which reads the logs from the oldest row that waits', async () => {
    const { data } = writeLogs(300);
    const whole = await follow({ data, options: JOINED, batchRows: 7 });
    for (const resumeAfter of [1, 20, 30])
      expect(await follow({ data, options: JOINED, batchRows: 7, resumeAfter })).toEqual(whole);
  });

  it('are refused if they would see later events or refuse rows', () => {
    const check = (given: object, tasks: readonly Task[] = []): readonly string[] =>
      Array.from(
        checkJoinedCounters(
          tasks,
          joinOptions.parse({
            ...JOIN,
            events: { ...JOIN.events, buy: { file: 'buys', within: '2h', after: 'click' } },
          }),
          counters({ tolerance: '3h', delay: '3h', count: COUNTED, ...given }),
        ),
        ({ key, fix }) => `${key}: ${fix}`,
      );
    const COUNTED = { shows: COUNT.shows, clicks: COUNT.clicks };
    expect(check({})).toEqual([]);
    expect(check({ time: 'other' })).toEqual(['data.counters.time: set time to time and format to seconds']);
    expect(check({ tolerance: '179m' })).toEqual(['data.counters.tolerance: set it to 10800s or more']);
    expect(check({ delay: '59m' })).toEqual(['data.counters.count.clicks.delay: set it to 3600s or more']);
    const buys = { by: 'item', of: 'buy', within: '1d' };
    expect(check({ delay: '2h', count: { buys } })).toEqual([
      'data.counters.count.buys.delay: set it to 10800s or more',
    ]);
    expect(check({ count: { shows: { by: ['item', 'click'], within: '1d' } } })).toEqual([
      'data.counters.count.shows.by: use columns of data.train',
    ]);
    const delay = { method: 'fnw', from: 'click_time', event: 'buy_time', window: '2h', format: 'seconds' };
    const task = { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: 'ctr', delay }) };
    expect(check({}, [task])).toEqual([
      'data.counters: remove delay from all tasks, or compute the counters before mtl',
    ]);
  });
});
