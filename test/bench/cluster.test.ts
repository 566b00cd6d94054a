import { describe, expect, it } from 'vitest';
import { mirrorPeers } from '../../bench/cluster/mirror.js';
import { linkOf, measuredLink, sentOf, shapeOf, stepMs, totalOf, type StepShape } from '../../bench/cluster/model.js';
import { allSent, splitOf, workOf, type StepTimes } from '../../bench/cluster/split.js';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Exchanged } from '../../src/engines/cpu/kernels.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';
import { BY, planWith, withGroups } from '../support/within-groups.js';

const exchange = (beginMs: number, endMs: number, bytes: number) => ({
  what: 'rows' as const,
  beginMs,
  endMs,
  bytes,
  messages: 1,
});

describe('the time of a step that processes take together', () => {
  it('is compute, what moves once all are there, and what is waited for until then', () => {
    // The second comes to the exchange 3 ms after the first, and 1 ms later both have everything.
    const first: StepTimes = { beginMs: 0, endMs: 10, exchanges: [exchange(2, 6, 100)] };
    const second: StepTimes = { beginMs: 0, endMs: 10, exchanges: [exchange(5, 6, 300)] };
    expect(splitOf([[first], [second]])).toMatchObject({ stepMs: 10, computeMs: 7.5, exchangeMs: 1, waitMs: 1.5 });
    // Who needs nothing of the last one does not wait for it.
    expect(splitOf([[{ ...first, exchanges: [exchange(2, 3, 100)] }], [second]])).toMatchObject({
      computeMs: 9,
      exchangeMs: 0.5,
      waitMs: 0.5,
    });
  });

  it('leaves the quickest and the slowest quarter out, but counts what all steps send', () => {
    const steps = [1, 4, 5, 100].map((ms, s): StepTimes => ({
      beginMs: 0,
      endMs: ms,
      exchanges: [exchange(0, 0, 8 * s)],
    }));
    const split = splitOf([steps]);
    expect(split.stepMs).toBe(4.5);
    expect(allSent(split)).toEqual({ exchanges: 1, bytes: 12, messages: 1 });
  });
});

describe('the work of a step', () => {
  it('is all of it among mirror images, and what is computed while gradients pass', () => {
    const begun = { ...exchange(4, 5, 0), what: 'dense gradients' as const, isBegun: true };
    const steps: StepTimes[] = [
      {
        beginMs: 0,
        endMs: 10,
        exchanges: [exchange(2, 3, 0), begun, exchange(6, 7, 0), { ...exchange(8, 8, 0), what: 'dense gradients' }],
      },
    ];
    expect(workOf([steps])).toEqual({ workMs: 10, meanwhileMs: 3 });
    expect(workOf([[{ beginMs: 0, endMs: 10, exchanges: [exchange(2, 3, 0)] }]])).toEqual({
      workMs: 10,
      meanwhileMs: 0,
    });
  });
});

describe('the model of a step', () => {
  const shape: StepShape = {
    processes: 2,
    weights: 1000,
    early: 0,
    terms: 2,
    sums: [32],
    columns: [60, 20],
    dealt: { tables: 1, rows: 100, numbers: 800 },
    small: { tables: 1, rows: 10, numbers: 80 },
  };

  it('counts the bytes of each exchange', () => {
    expect(Object.fromEntries(sentOf(shape))).toEqual({
      'row numbers': [4, 400],
      rows: [3200],
      sums: [8 * 33],
      columns: [240, 80],
      losses: [8 * 6, 8 * 2],
      'dense gradients': [2000, 2000],
      'row gradients': [3200],
      'small tables': [4, 40, 320],
    });
    expect(totalOf(shape)).toEqual({ exchanges: 14, bytes: 11_816 });
    // Of four processes, each sends half as much again of dense gradients, and sums and columns to three.
    const four = sentOf({ ...shape, processes: 4 });
    expect([four.get('dense gradients'), four.get('sums'), four.get('columns')]).toEqual([
      [3000, 3000],
      [3 * 8 * 33],
      [720, 240],
    ]);
  });

  it('adds up work, latencies and bytes', () => {
    const work = { workMs: 2, meanwhileMs: 0.02 };
    // A gigabit a second is 125 bytes a microsecond.
    expect(stepMs(work, shape, linkOf(0.05, 1))).toBeCloseTo(2 + 14 * 0.05 + 11_816 / 125_000, 12);
    expect(stepMs(work, { ...shape, processes: 4 }, linkOf(0.05, 1))).toBeCloseTo(
      2 + 14 * 0.05 + totalOf({ ...shape, processes: 4 }).bytes / 125_000,
      12,
    );
  });

  it('hides what passes while others are computed, as long as they are', () => {
    const early = { ...shape, early: 600 };
    expect(sentOf(early).get('dense gradients')).toEqual([1200, 1200, 800, 800]);
    const [slow, passes] = [linkOf(0.05, 1), 2 * (0.05 + 1200 / 125_000)];
    const all = 2 + 16 * 0.05 + 11_816 / 125_000;
    expect(stepMs({ workMs: 2, meanwhileMs: 0.02 }, early, slow)).toBeCloseTo(all - 0.02, 12);
    expect(stepMs({ workMs: 2, meanwhileMs: 1 }, early, slow)).toBeCloseTo(all - passes, 12);
  });

  it('reads a link off what was measured, also beyond it', () => {
    const link = measuredLink(
      new Map([
        [1000, 3],
        [8, 1],
        [2000, 7],
      ]),
    );
    expect([8, 504, 1000, 1250, 2000, 3000].map((bytes) => link(bytes, 1))).toEqual([1, 2, 3, 4, 7, 11]);
    expect(link(0, 1)).toBeCloseTo(1, 1);
  });

  const mmoe: Workload = {
    name: 'mmoe',
    batchRows: 90,
    width: 6,
    numbers: ['D0'],
    model: { name: 'mmoe', experts: { count: 3, hidden: [10], activation: 'dice' }, tower: { hidden: [9, 5] } },
  };

  it.each([
    ['batch norm over all rows', 'global', mmoe],
    ['batch norm over the rows of each', 'local', mmoe],
    [
      'a first layer that passes early',
      'global',
      { ...mmoe, model: { name: 'mmoe', experts: { count: 3, hidden: [160] }, tower: { hidden: [9, 5] } } },
    ],
    // Mirror images have as many rows as it has: those with more would lack what belongs to the last.
    ['losses of pairs within groups', 'global', { ...mmoe, batchRows: 88 }, { name: 'pairwise', groupBy: BY }],
    ['losses of two numbers within groups', 'local', mmoe, { name: 'jrc', groupBy: BY }],
    ['weights by their own sum', 'local', { ...mmoe, model: { name: 'dcmt' } }],
  ] as const)('counts what the engine sends, with %s', async (name, batchNorm, work, loss?: object) => {
    const own = planOf(work, 0.002);
    const [plan, batches] = [
      { ...(loss === undefined ? own : planWith(own, work, loss)), dealtRows: 100, batchNorm },
      batchesOf(work, 3, 0.002).map(withGroups),
    ];
    const mirror = mirrorPeers(4);
    const sent = new Map<Exchanged, number>();
    let [what, before]: [Exchanged | undefined, number] = [undefined, 0];
    const count = (next?: Exchanged): void => {
      const { bytes } = mirror.sent();
      if (what !== undefined) sent.set(what, (sent.get(what) ?? 0) + (bytes - before) / batches.length);
      [what, before] = [next, bytes];
    };
    const program = createCpuEngine(1, true, { onExchange: count }).compile({
      ...plan,
      peers: { ...SINGLE_PROCESS, ...mirror },
    });
    for (const batch of batches) {
      const { losses } = await program.trainStep(batch);
      expect([...losses.values()].every(({ mean }) => Number.isFinite(mean))).toBe(true);
    }
    count();
    const shape = shapeOf(plan, batches, 4, [0]);
    expect(shape.early > 0).toBe(name.endsWith('passes early'));
    const modeled = sentOf(shape);
    expect([...sent.keys()].sort()).toEqual(
      [...modeled].flatMap(([name, sizes]) => (sizes.length > 0 ? [name] : [])).sort(),
    );
    for (const [name, sizes] of modeled)
      expect([name, sent.get(name) ?? 0]).toEqual([
        name,
        expect.closeTo(
          sizes.reduce((sum, bytes) => sum + bytes, 0),
          6,
        ),
      ]);
    expect(modeled.get('rows')![0]).toBeGreaterThan(0);
  });
});
