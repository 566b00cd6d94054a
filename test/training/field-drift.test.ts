import { toBatch } from '../support/batches.js';
import { expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { stabilityIndex } from '../../src/core/stability-index.js';
import type { Output } from '../../src/evaluation/outputs.js';
import { FieldDrift, type FieldGroups } from '../../src/training/field-drift.js';
import { firstProgressiveState, ProgressiveValidation } from '../../src/training/progressive.js';

const OUTPUT: Output = { name: 'ctr', type: 'classification', label: 'click', where: undefined, factors: ['ctr'] };

interface Columns {
  readonly user?: readonly number[];
  readonly price?: readonly number[];
  readonly tags?: readonly (readonly number[])[];
  readonly click?: readonly number[];
}

function batchOf({ user, price, tags, click }: Columns): Batch {
  const offsets = Uint32Array.from([0, ...(tags ?? []).map((_, row) => tags!.slice(0, row + 1).flat().length)]);
  const ids = Uint32Array.from((tags ?? []).flat());
  return toBatch({
    rows: (user ?? price ?? tags ?? []).length,
    ids: new Map(user && [['user', Uint32Array.from(user)]]),
    numbers: new Map(price && [['price', Float32Array.from(price)]]),
    bags: new Map(tags && [['tags', { offsets, ids, weights: new Float32Array(ids.length).fill(1) }]]),
    labels: new Map(click && [['click', Float32Array.from(click)]]),
  });
}

const below = (count: number, end: number, name: string): number[] => {
  const random = randomStream(1, name);
  return Array.from({ length: count }, () => random.below(end));
};

it('computes the index by its definition', () => {
  // 40, 50 and 10 of 100 against 10, 80 and 10 of 100, each with half a value more.
  const [p, q] = [[40.5, 50.5, 10.5].map((n) => n / 101.5), [10.5, 80.5, 10.5].map((n) => n / 101.5)];
  const expected = p.reduce((sum, share, i) => sum + (share - q[i]!) * Math.log(share / q[i]!), 0);
  expect(expected).toBeGreaterThan(0.5);
  expect(stabilityIndex([[40, 10], [50, 80], [0, 0], [10, 10]])).toBeCloseTo(expected, 12); // prettier-ignore
});

it('groups ids, numbers and lists', () => {
  const fields: Record<string, FieldGroups> = {};
  const drift = new FieldDrift(fields, ['user', 'price', 'tags']);
  drift.add(batchOf({ user: [0, 31, 32, 96, 97], price: [0, -0, 1, -1.99, 1e9], tags: [[5, 5], [], [64], [], []] }));
  const groupsOf = (field: string): Record<number, number> =>
    Object.fromEntries([...fields[field]!.window.entries()].filter(([, count]) => count > 0));
  expect(groupsOf('user')).toEqual({ 0: 1, 31: 1, 32: 2, 33: 1 });
  // Octave 0 is the 9th of 15, octave 6 the last one; negative ones follow.
  expect(groupsOf('price')).toEqual({ 0: 2, 9: 1, 15: 1, 24: 1 });
  expect(groupsOf('tags')).toEqual({ 5: 2, 32: 1, 64: 3 });
});

it('has its expectation as noise if nothing changes', () => {
  const drift = new FieldDrift({}, ['user']);
  const found: number[] = [];
  const expected: number[] = [];
  for (let window = 0; window < 200; window++) {
    drift.add(batchOf({ user: below(2000, 20, `window ${window}`) }));
    const user = drift.finish().get('user');
    if (user === undefined) continue;
    found.push(user.index);
    expected.push(user.noise);
  }
  expect(found.length).toBe(199);
  const mean = (values: readonly number[]): number => values.reduce((sum, each) => sum + each) / values.length;
  // Older windows count less, so that they have more noise than as many values.
  expect(mean(found) / mean(expected)).toBeGreaterThan(0.8);
  expect(mean(found) / mean(expected)).toBeLessThan(1.2);
});

it('reports the drift of a window, also if it was interrupted, and an alarm beyond the limit', () => {
  const run = (isResumed: boolean): unknown => {
    let state = firstProgressiveState();
    const limits = { aucDrop: 1, lossRise: Infinity, drift: 0.25 };
    let progressive = new ProgressiveValidation([OUTPUT], ['user'], 1000, limits, state);
    return Array.from({ length: 9 }, (_, part) => {
      const user = below(500, 10, `part ${part}`).map((id) => (part < 6 ? id : id % 3));
      const click = below(500, 2, `clicks ${part}`);
      const windows = progressive.add(batchOf({ user, click }), new Map([['ctr', new Float32Array(500).fill(0.5)]]));
      const rows = progressive.full();
      if (isResumed) state = structuredClone(state);
      if (isResumed) progressive = new ProgressiveValidation([OUTPUT], ['user'], 1000, limits, state, rows);
      return windows.map(({ drift, alarms }) => ({ drift, alarms }));
    }).flat();
  };
  const windows = run(false) as { readonly drift: { readonly user?: number }; readonly alarms: readonly string[] }[];
  expect(run(true)).toEqual(windows);
  expect(windows.map(({ drift }) => drift.user === undefined || drift.user > 0.25)).toEqual([true, false, false, true]);
  expect(windows[0]!.drift).toEqual({});
  expect(windows.map(({ alarms }) => alarms.length)).toEqual([0, 0, 0, 1]);
  expect(windows[3]!.alarms[0]).toMatch(/^the values of user drifted by \d\.\d\d from the windows before$/);
});

it('raises an alarm if the PCOC moves', () => {
  const limits = { aucDrop: 1, lossRise: Infinity, pcocShift: 0.2 };
  const progressive = new ProgressiveValidation([OUTPUT], ['user'], 1000, limits, firstProgressiveState());
  const alarms = [500, 510, 490, 340, 500].flatMap((clicks) => {
    const click = Array.from({ length: 1000 }, (_, row) => Number(row < clicks));
    const predictions = new Map([['ctr', new Float32Array(1000).fill(0.5)]]);
    return progressive.add(batchOf({ user: click, click }), predictions).map((window) => window.alarms);
  });
  expect(alarms.map(({ length }) => length)).toEqual([0, 0, 0, 1, 0]);
  expect(alarms[3]).toEqual(['ctr.pcoc rose to 1.4706, from 1.0003 in the windows before']);
});
