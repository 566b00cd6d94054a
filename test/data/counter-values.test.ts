import { column } from '../../src/core/batch.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskOptions } from '../../src/core/tasks.js';
import type { CountersOptions } from '../../src/data/counter-options.js';
import { CounterPlan } from '../../src/data/counters/counter-plan.js';
import { CounterSet } from '../../src/data/counters/counter-set.js';
import { LiveCounters } from '../../src/data/counters/live-counters.js';
import { rowsOfObjects, type Row } from '../../src/data/objects/given-rows.js';
import { dataOptions } from '../../src/data/options.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openData } from '../../src/data/sources/splits.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { counters, HOUR, oracle, type LogRow } from '../support/counter-log.js';
import { scratchFolder } from '../support/scratch.js';

// Sums of outliers, late rows, and invalid labels.

const MINUTE = 60_000;
const BEGIN = 1_750_000_000_000;
const ctr = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const planOf = (options: CountersOptions): CounterPlan => new CounterPlan(options, {}, []);
const keysOf = ({ user, item }: LogRow): readonly string[] => [
  item,
  user === '' || item === '' ? '' : `${user}\u001f${item}`,
];

/** Counts rows, and stores and restores the state before some of them. */
function count(rows: readonly LogRow[], options: CountersOptions, restoreBefore: readonly number[] = []) {
  const plan = planOf(options);
  let set = new CounterSet(plan);
  const into = plan.specs.map(() => new Float32Array(1));
  const values = rows.map((row, r) => {
    if (restoreBefore.includes(r)) {
      const state = set.save('00');
      set = CounterSet.restore(plan, state);
      expect(set.save('00')).toEqual(state);
    }
    set.count({ time: row.time, keys: keysOf(row), labels: plan.labels.map(() => row.click ?? NaN) }, into, 0);
    return into.map(([value]) => value!);
  });
  return { values, state: set.save('00'), set };
}

/** Reads the counters of each row before it becomes an event. */
function serve(rows: readonly LogRow[], options: CountersOptions): number[][] {
  const plan = planOf(options);
  const live = new LiveCounters(plan, { ends: [] });
  return rows.map((row) => {
    const { time, item, user, click } = row;
    const read = (at: number): readonly Float32Array[] =>
      live.find({ times: Float64Array.of(at), keys: [keysOf(row)] });
    // A later request changes nothing.
    read(time + 5 * HOUR);
    const values = read(time).map(([value]) => value!);
    const event = { time: time / 1000, item: item || null, user: user || null, click: click ?? null };
    live.add(rowsOfObjects([event]));
    return values;
  });
}

const amount = fc.constantFrom(0, 1, 1, undefined, 0.1, 19.99, -0.3, 1e17, -1e17, 1e24, 1e-300);
const lateRow = fc.record({
  gap: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 3600 }), fc.constant(9 * 3600)),
  late: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 * 3600 }), fc.constant(3 * 3600)),
  item: fc.constantFrom('a', 'b', ''),
  user: fc.constantFrom('u', 'v', ''),
  click: amount,
});
/** Rows that are late by up to 3 hours. */
const lateLogs = fc.array(lateRow, { minLength: 1, maxLength: 60 }).map((rows) => {
  let time = BEGIN;
  return rows.map(({ gap, late, ...row }): LogRow => ({ ...row, time: (time += gap * 1000) - late * 1000 }));
});
const LATE = counters({ tolerance: '3h', delay: '30m' });

describe('sums of counters', () => {
  const row = (seconds: number, click: number): LogRow => ({
    time: BEGIN + 1000 * seconds,
    item: 'a',
    user: 'u',
    click,
  });
  const sums = counters({
    delay: '0s',
    count: {
      sum: { by: 'item', of: 'click', within: '20s', resolution: '1s' },
      rate: { by: ['user', 'item'], of: 'click', within: '20s', resolution: '1s', rate: { prior: 2 } },
    },
  });

  it('do not depend on a large value after it expires', () => {
    const rows = Array.from({ length: 60 }, (_, r) => row(2 * r, r === 5 ? 1e17 : 1));
    const { values } = count(rows, sums);
    expect(values).toEqual(oracle(rows, sums));
    expect(values.at(-1)).toEqual([10, 1]);
    expect(Math.max(...values.map(([sum]) => sum!))).toBe(Math.fround(1e17));
  });

  it('and times are those of the definition, for late rows and values of all magnitudes, also after a restart', () => {
    fc.assert(
      fc.property(lateLogs, fc.array(fc.nat({ max: 59 }), { maxLength: 3 }), (rows, restoreBefore) => {
        const expected = oracle(rows, LATE, 3 * HOUR);
        const whole = count(rows, LATE);
        expect(whole.values).toEqual(expected);
        expect(count(rows, LATE, restoreBefore)).toMatchObject({ values: expected, state: whole.state });
        expect(serve(rows, LATE)).toEqual(expected);
      }),
    );
  });
});

describe('late events', () => {
  it('count at their own time', () => {
    const options = counters({ tolerance: '1h', delay: '0s', count: { shows: { by: 'item', within: '10m' } } });
    const at = (minutes: number, item: string): LogRow => {
      return { time: BEGIN + minutes * MINUTE, item, user: 'u', click: 1 };
    };
    const rows = [at(50, 'other'), at(0, 'a'), at(115, 'a'), at(69, 'a'), at(120, 'a'), at(139, 'a')];
    // A row sees those that are 60 to 70 minutes earlier than it: the one at 69 minutes, and the last one.
    expect(count(rows, options).values.flat()).toEqual([0, 0, 0, 1, 0, 1]);
    expect(serve(rows, options).flat()).toEqual([0, 0, 0, 1, 0, 1]);
  });

  it('do not depend on the order of the rows of a day', () => {
    const options = counters({ tolerance: '1d' });
    const hours = fc.array(fc.tuple(fc.integer({ min: 0, max: 86_399 }), amount, fc.nat()), { maxLength: 60 });
    fc.assert(
      fc.property(hours, (drawn) => {
        const midnight = Date.UTC(2026, 0, 1);
        const rows = drawn.map(([second, click, order], r): LogRow & { order: number } => {
          const day = Math.floor((3 * r) / drawn.length) * 24 * HOUR;
          return {
            time: midnight + day + 1000 * second,
            item: 'ab'[r % 2]!,
            user: 'u',
            click,
            order: day + (order % 997),
          };
        });
        const shuffled = rows.toSorted((a, b) => a.order - b.order);
        const { values } = count(rows, options);
        const others = count(shuffled, options).values;
        expect(shuffled.map((row) => values[rows.indexOf(row)])).toEqual(others);
      }),
    );
  });
});

describe('invalid labels', () => {
  const count = {
    clicks: { by: 'item', of: 'click', within: '1d' },
    spend: { by: 'item', of: 'price', within: '1d' },
    shows: { by: 'item', within: '1d' },
  };
  const options = counters({ delay: '0s', count });
  const NAMES = Object.keys(count);
  const format = createRowFormat({
    tasks: ctr,
    groups: [featureTypes.schema.parse({ type: 'numeric', fields: NAMES, scaling: 'none' })],
  });

  /** Reads the counters of the rows of a file. */
  async function read(rows: readonly string[], policy: RejectPolicy): Promise<number[][]> {
    const path = join(scratchFolder(), 'log.csv');
    writeFileSync(path, ['time,item,click,price', ...rows, ''].join('\n'));
    const opened = await openData(dataOptions.parse({ train: path, counters: options }), format);
    const dataset = await opened.train.dataset(encodedFormat(format, {}), { policy });
    const found: number[][] = [];
    for await (const { batch } of dataset.batches(64))
      for (let r = 0; r < batch.rows; r++) found.push(NAMES.map((name) => column(batch, name, 'f32').data[r]!));
    await dataset.close();
    return found;
  }

  it('are reported with their row, and do not count', async () => {
    const rows = ['10,a,1,5', '20,a,2,5', '30,a,0,1e308', '40,a,0,-3e30', '50,a,0,much', '60,a,0,'];
    for (const [r, expected] of [
      [1, /log\.csv:2: column "click": expected 0 or 1, found "2"/],
      [2, /log\.csv:2: column "clicks": .*unknown, since click or price of the row is invalid/],
      [3, /log\.csv:2: column "clicks": .*unknown, since click or price of the row is invalid/],
    ] as const)
      await expect(read(rows.slice(r), refuseBadRows)).rejects.toThrow(expected);
    const policy = skipBadRows(undefined, 10);
    expect(await read(rows, policy)).toEqual([
      [0, 0, 0],
      [1, 10, 5],
    ]);
    expect(policy.count).toBe(4);
  });

  it('of events are rejected by name before any event is added', () => {
    const live = new LiveCounters(new CounterPlan(options, {}, ctr), { ends: [] });
    const add = (rows: readonly Row[], of?: readonly string[]) => (): void => live.add(rowsOfObjects(rows), of);
    const valid = { time: 10, item: 'a', click: 1, price: 5 };
    const problem = /rows\[1\]: column "(click|price)": expected /;
    expect(add([valid, { ...valid, click: 2 }])).toThrow('rows[1]: column "click": expected 0 or 1, found 2');
    for (const price of [1e308, -1e25, 'much']) expect(add([valid, { ...valid, price }])).toThrow(problem);
    expect(live.latest).toBe(null);
    // Others do not read it.
    add([{ ...valid, click: 2 }], ['price'])();
    const [clicks, spend] = live.find({ times: Float64Array.of(20_000), keys: [['a']] });
    expect([clicks![0], spend![0]]).toEqual([0, 5]);
  });
});
