/** @module-tag long */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CounterPlan } from '../../src/data/counters/counter-plan.js';
import { CounterSet, type CounterState } from '../../src/data/counters/counter-set.js';
import { findUncounted } from '../../src/data/counters/given-counters.js';
import { rowsOfColumns, rowsOfObjects, type Row } from '../../src/data/objects/given-rows.js';
import { LiveCounters } from '../../src/data/counters/live-counters.js';
import { counters, HOUR, LOG, logs, NAMES, oracle, type LogRow } from '../support/counter-log.js';

// Counters of a model in use, against a definition that looks at every earlier event of every row.

/** Returns a row of a log as that of a program; a missing value is null. */
const toRow = ({ time, item, user, click }: LogRow): Row => ({
  time: time / 1000,
  item: item === '' ? null : item,
  user: user === '' ? null : user,
  click: click ?? null,
});
const planOf = (options = counters()): CounterPlan => new CounterPlan(options, {}, []);

/** Counts rows as a file; returns the state after them. */
function stateOf(rows: readonly LogRow[], plan = planOf()): CounterState {
  const set = new CounterSet(plan);
  const into = plan.names.map(() => new Float32Array(1));
  for (const { time, item, user, click } of rows) {
    const both = user === '' || item === '' ? '' : `${user}\u001f${item}`;
    set.count({ time, keys: [item, both], labels: [click ?? NaN] }, into, 0);
  }
  return set.save('00');
}

const liveOf = (rows: readonly LogRow[], plan = planOf()): LiveCounters =>
  new LiveCounters(plan, { ends: rows.length === 0 ? [] : [stateOf(rows, plan)] });

/** Reads the counters that rows lack. */
function readRows(live: LiveCounters, rows: readonly Row[], onMissing?: 'oov', names = NAMES): unknown[][] {
  const given = rowsOfObjects(rows, onMissing);
  const uncounted = findUncounted(planOf(), names, given, undefined);
  const filled = uncounted?.fill(live.find(uncounted.query), given) ?? given;
  return rows.map((_, row) => names.map((name) => filled.valuesOf(name)(row)));
}

describe('live counters', () => {
  it('equal the definition if each row becomes an event', () => {
    fc.assert(
      fc.property(logs, fc.nat(), (rows, drawn) => {
        const cut = drawn % (rows.length + 1);
        const live = liveOf(rows.slice(0, cut));
        const found = rows.slice(cut).map((row) => {
          const [values] = readRows(live, [toRow(row)]);
          live.add(rowsOfObjects([toRow(row)]));
          return values;
        });
        expect(found).toEqual(oracle(rows).slice(cut));
      }),
    );
  });

  it('are read at any later time in any order, without a change', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 60 * 3600 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(logs, gaps, (rows, given) => {
        const live = liveOf(rows);
        const { time } = rows.at(-1)!;
        const asked = given.map((gap, i): LogRow => ({ ...rows[i % rows.length]!, time: time + gap * 1000 }));
        const expected = asked.map((row) => oracle([...rows, row]).at(-1));
        expect(readRows(live, asked.map(toRow))).toEqual(expected);
        expect(readRows(live, asked.map(toRow))).toEqual(expected);
      }),
    );
  });

  it('are read at later times between events', () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 60 * 3600 }), { minLength: 60, maxLength: 60 });
    fc.assert(
      fc.property(logs, gaps, (rows, given) => {
        const live = liveOf([]);
        for (const [r, row] of rows.entries()) {
          live.add(rowsOfObjects([toRow(row)]));
          const asked = { ...rows[given[r]! % rows.length]!, time: row.time + given[r]! * 1000 };
          expect(readRows(live, [toRow(asked)])[0]).toEqual(oracle([...rows.slice(0, r + 1), asked]).at(-1));
        }
      }),
    );
  });

  it('lag by the tolerance as those of files', () => {
    const options = counters({ tolerance: '3h' });
    const late = fc.tuple(logs, fc.array(fc.integer({ min: 0, max: 3 * 3600 }), { minLength: 60, maxLength: 60 }));
    fc.assert(
      fc.property(late, ([sorted, delays]) => {
        const rows = sorted.map((row, i) => ({ ...row, time: row.time - delays[i]! * 1000 }));
        const live = liveOf([], planOf(options));
        const found = rows.map((row) => {
          const [values] = readRows(live, [toRow(row)]);
          live.add(rowsOfObjects([toRow(row)]));
          return values;
        });
        expect(found).toEqual(oracle(rows, options, 3 * HOUR));
      }),
    );
  });

  it('take labels later than rows, in their own order', () => {
    const [early, rows] = [LOG.slice(0, 300), LOG.slice(300, 400)];
    const live = liveOf(early);
    const expected = oracle(LOG.slice(0, 400)).slice(300);
    let numLabeled = 0;
    for (const [r, row] of rows.entries()) {
      // A label is known two hours after its row.
      const known = rows.slice(numLabeled).filter(({ time }) => time + 2 * HOUR < row.time);
      live.add(rowsOfObjects(known.map(toRow)), ['click']);
      numLabeled += known.length;
      // The third counter has no delay, so that it is behind.
      const [values] = readRows(live, [toRow(row)]);
      expect([values![0], values![1], values![3]]).toEqual([0, 1, 3].map((i) => expected[r]![i]));
      live.add(rowsOfObjects([toRow({ ...row, click: undefined })]), []);
    }
    expect(numLabeled).toBeGreaterThan(80);
  });

  it('are those of now without a time, and zero for unknown keys', () => {
    const now = Date.now();
    const rows = LOG.slice(0, 40).map((row, i) => ({ ...row, time: now - 3 * HOUR - 1000 * (40 - i) }));
    const live = liveOf(rows);
    const { item, user } = rows[0]!;
    expect(readRows(live, [{ item, user }], undefined, ['shows'])).toEqual([
      [rows.filter((row) => row.item === item).length],
    ]);
    expect(readRows(live, [{ item: 'new', user: 'new' }])[0]!.slice(0, 3)).toEqual([0, 0, 0]);
  });

  it('keep the values that a row has, and report those that are unknown', () => {
    const live = liveOf(LOG.slice(0, 300));
    const row = toRow(LOG[300]!);
    const [own] = readRows(live, [row]);
    expect(readRows(live, [{ ...row, clicks: 77, ctr: null }])).toEqual([[own![0], 77, own![2], null]]);
    const read = (more: Row, names = ['shows']): unknown => readRows(live, [{ ...row, ...more }], undefined, names)[0];
    expect(read({ time: 'soon' })).toEqual(['unknown, since the time of the row is invalid']);
    expect(read({ time: LOG[100]!.time / 1000 })).toEqual([
      'unknown, since the row is earlier than the data of the run',
    ]);
    const { item, ...without } = row;
    expect(item).toBeDefined();
    expect(readRows(live, [without])[0]![0]).toBe('unknown, since the row has no item');
    // As in a file, a missing key has no events.
    expect(readRows(live, [without], 'oov')[0]!.slice(0, 3)).toEqual([0, 0, 0]);
    // All counters are given, so that nothing else is required.
    expect(readRows(live, [{ shows: 1, clicks: 2, exact: 3, ctr: 4 }])).toEqual([[1, 2, 3, 4]]);
    const columns = rowsOfColumns({ item: ['i1'], shows: [5] }, []);
    const uncounted = findUncounted(planOf(), ['shows', 'ctr'], columns, undefined)!;
    const filled = uncounted.fill(live.find(uncounted.query), columns);
    expect(filled.valuesOf('shows')(0)).toBe(5);
    expect(filled.valuesOf('ctr')(0)).toBe('unknown, since the row has no user');
  });

  it('reject events out of order, in the future and without a key, and add none of them', () => {
    const live = liveOf(LOG.slice(0, 300));
    const [before, row] = [readRows(live, [toRow(LOG[300]!)]), toRow(LOG[300]!)];
    const add = (rows: readonly Row[], of?: readonly string[]) => (): void => live.add(rowsOfObjects(rows), of);
    const late = toRow(LOG[0]!);
    expect(add([row, late, { ...row, time: 4e9 }, { ...row, time: null }])).toThrow(
      'rows[1]: column "time": is 2025-06-15T15:06:40.000Z, earlier than 2025-06-17T02:05:00.000Z, the time of the ' +
        'latest event; send events in order of time, or train with a larger data.counters.tolerance\n' +
        'rows[2]: column "time": is 2096-10-02T07:06:40.000Z, later than now; correct the time or its format\n' +
        'rows[3]: column "time": is not a valid time; add the time of the event',
    );
    const without = { time: row['time'], user: row['user'] };
    expect(add([row, without])).toThrow('rows[1]: column "item": is missing; add it, as null');
    expect(add([row], ['clicks'])).toThrow("no counter has of: clicks; expected click; did you mean 'click'?");
    expect(readRows(live, [row])).toEqual(before);
    expect(live.latest).toBe(new Date(LOG[299]!.time).toISOString());
    live.add(rowsOfObjects([row]));
    expect(live.latest).toBe(new Date(LOG[300]!.time).toISOString());
  });
});
