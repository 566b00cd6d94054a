import { describe, expect, it } from 'vitest';
import type { Difference } from '../../../src/diff/compare.js';
import type { Task } from '../../../src/core/tasks.js';
import { KeptPredictions, type Kept } from '../../../src/serve/canary/kept-predictions.js';
import { LiveComparison, type LabeledRequest } from '../../../src/serve/canary/live-comparison.js';
import { Looks } from '../../../src/serve/canary/looks.js';
import { createShare, type SharedRequest } from '../../../src/serve/canary/share.js';
import { taskOptions } from '../../../src/core/tasks.js';

const request = (more: Partial<SharedRequest> & { readonly json?: unknown } = {}): SharedRequest => ({
  id: 'r1',
  body: Buffer.from(JSON.stringify(more.json ?? {})),
  kind: { form: 'rows', onBadRow: 'error', onMissing: 'error' },
  headers: {},
  ...more,
});

describe('the share of a canary', () => {
  const options = { kind: 'canary', path: 'runs/esmm/004', share: 0.05 } as const;
  const ids = Array.from({ length: 20_000 }, (_, i) => `r${i}`);

  it('is that of the option, over ids', () => {
    for (const share of [0.05, 0.5]) {
      const choose = createShare({ ...options, share });
      const count = ids.filter((id) => choose(request({ id })) === 'candidate').length;
      // Four standard deviations of a binomial count.
      expect(Math.abs(count - share * ids.length)).toBeLessThan(4 * Math.sqrt(ids.length * share * (1 - share)));
    }
  });

  it('is of one model for each value of a column or header, and other users for another run', () => {
    const bodies = (user: unknown): readonly object[] => [
      { rows: [{ user, item: 1 }, { user: 'other' }] },
      { user: { user }, candidates: [{ item: 1 }, { item: 2 }] },
      {
        inputs: [
          { name: 'item', data: [3] },
          { name: 'user', data: [user, 'other'] },
        ],
      },
    ];
    const choose = createShare({ ...options, share: 0.5, shareBy: 'user' });
    const byHeader = createShare({ ...options, share: 0.5, shareBy: 'header:X-User' });
    const sides = Array.from({ length: 200 }, (_, user) => {
      const found = bodies(user).map((json, i) => choose(request({ id: `r${user}-${i}`, json })));
      found.push(choose(request({ json: { rows: [{ user: String(user) }] } })));
      found.push(byHeader(request({ headers: { 'x-user': String(user) } })));
      expect(new Set(found).size).toBe(1);
      return found[0];
    });
    expect(new Set(sides)).toEqual(new Set(['present', 'candidate']));
    const other = createShare({ ...options, path: 'runs/esmm/005', share: 0.5, shareBy: 'user' });
    const agreeing = sides.filter((side, user) => side === other(request({ json: { rows: [{ user }] } }))).length;
    expect(Math.abs(agreeing - 100)).toBeLessThan(4 * Math.sqrt(50));
  });

  it('has no model for a request without the value', () => {
    const choose = createShare({ ...options, shareBy: 'user' });
    for (const json of [{}, { rows: [] }, { rows: [{ item: 1 }] }, { rows: [{ user: null }] }, [], null, 'text'])
      expect(choose(request({ json }))).toBeUndefined();
    expect(choose(request({ body: Buffer.from('{"rows": [') }))).toBeUndefined();
    expect(createShare({ ...options, shareBy: 'header:x-user' })(request())).toBeUndefined();
  });
});

describe('kept predictions', () => {
  const kept = (id: string, savedMs: number): Kept => ({
    id,
    savedMs,
    rows: 1,
    predictions: { present: { ctr: new Float32Array(1) } },
  });

  it('are taken once, expire, and are forgotten after the same time again', () => {
    const store = new KeptPredictions(100);
    store.add(kept('a', 0));
    store.add(kept('b', 10));
    store.add(kept('c', 90));
    expect(store.take('a', 99)).toMatchObject({ id: 'a' });
    expect(store.take('a', 99)).toBe('repeated');
    expect(store.take('b', 110)).toBe('expired');
    expect(store.take('x', 110)).toBeUndefined();
    expect([store.count, store.numExpired]).toEqual([1, 1]);
    expect(store.take('a', 199)).toBeUndefined();
    expect(store.take('b', 209)).toBe('expired');
    expect(store.take('b', 210)).toBeUndefined();
  });

  it('are limited in number, and the oldest expire first', () => {
    const store = new KeptPredictions(1e9);
    const predictions = { present: { ctr: new Float32Array(0), cvr: new Float32Array(0) } };
    // 2^25 numbers are kept at most.
    for (let i = 0; i < 5; i++) store.add({ id: `r${i}`, savedMs: i, rows: 2 ** 22, predictions });
    expect([store.count, store.numExpired]).toEqual([4, 1]);
    expect(store.take('r0', 5)).toBe('expired');
    expect(store.take('r1', 5)).toMatchObject({ id: 'r1' });
  });
});

describe('the looks of a rule', () => {
  const difference = (low: number | null, high: number | null, goal: Difference['goal'] = 'lower'): Difference => ({
    output: 'ctr',
    metric: 'logLoss',
    goal,
    a: 1,
    b: 1,
    difference: 0,
    low,
    high,
  });

  it('double their rows and halve their level of error', () => {
    const looks = new Looks({ metric: 'ctr.logLoss', after: 100, confidence: 0.9 });
    const at = (rows: number) => looks.look(rows, () => difference(-1, 1));
    expect([99, 100, 150, 199].map((rows) => at(rows)?.number)).toEqual([undefined, 1, undefined, undefined]);
    const found = [250, 399, 1700, 3199, 3200].map(at);
    expect(found.map((look) => look?.number)).toEqual([2, undefined, 3, undefined, 4]);
    expect(found.map((look) => look && 1 - look.confidence)).toEqual([
      expect.closeTo(0.025, 12),
      undefined,
      expect.closeTo(0.0125, 12),
      undefined,
      expect.closeTo(0.00625, 12),
    ]);
  });

  it.each([
    ['lower', -2, -1, 'better'],
    ['lower', 1, 2, 'worse'],
    ['higher', 1, 2, 'better'],
    ['higher', -2, -1, 'worse'],
    ['lower', -1, 0, 'undecided'],
    ['higher', 0, 0, 'undecided'],
    ['lower', null, null, 'undecided'],
  ] as const)('judge an interval: %s, %s to %s is %s', (goal, low, high, verdict) => {
    const looks = new Looks({ metric: 'ctr.logLoss', after: 1, confidence: 0.95 });
    expect(looks.look(1, () => difference(low, high, goal))?.verdict).toBe(verdict);
  });

  it('decide wrongly for equal models in at most the given share of trials', () => {
    // A random walk without drift, with known variance, looked at 7 times; Monte Carlo with a fixed generator.
    let state = 12_345;
    const uniform = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    // Quantiles of the normal distribution at 1 − 0.05 / 2^k, k = 2, 3, … (Python, statistics.NormalDist).
    const quantiles = [2.241403, 2.497705, 2.734369, 2.955167, 3.162818, 3.359354, 3.546338];
    const trials = 4000;
    let numWrong = 0;
    for (let trial = 0; trial < trials; trial++) {
      const looks = new Looks({ metric: 'ctr.logLoss', after: 1, confidence: 0.95 });
      let sum = 0;
      const isDecided = quantiles.some((quantile, k) => {
        const rows = 2 ** k;
        sum += Math.sqrt(k === 0 ? 1 : rows / 2) * normal();
        const half = quantile / Math.sqrt(rows);
        const look = looks.look(rows, () => difference(sum / rows - half, sum / rows + half));
        return look!.verdict !== 'undecided';
      });
      if (isDecided) numWrong++;
    }
    expect(numWrong / trials).toBeLessThan(0.05);
    expect(numWrong / trials).toBeGreaterThan(0.01);
  });
});

describe('a comparison', () => {
  const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });
  const tasks = [task('ctr', { label: { column: 'ms', above: 10 } }), task('cvr', { label: 'buy', given: 'ctr' })];
  const spec = { tasks, cells: {}, isPaired: false, rule: undefined };
  const predictions = (...ctr: number[]) => ({
    ctr: Float32Array.from(ctr),
    cvr: Float32Array.from(ctr, (p) => p / 2),
    ctcvr: Float32Array.from(ctr, (p) => (p * p) / 2),
  });

  it('computes labels as training does, and counts conditional rows alone', () => {
    const comparison = new LiveComparison(spec);
    const labels = [
      { ms: 20, buy: 1 },
      { ms: '20.5', buy: 0 },
      { ms: 3, buy: null },
    ];
    const request: LabeledRequest = { where: 'outcomes[0]', labels, present: predictions(0.5, 0.25, NaN) };
    expect(comparison.add([request])).toBe(2);
    const { present, candidate } = comparison.figures(0.95);
    expect(present['ctr']).toMatchObject({ rows: 2, meanLabel: 1, meanPrediction: 0.375, pcoc: 0.375 });
    expect(present['cvr']).toMatchObject({ rows: 2, meanLabel: 0.5, meanPrediction: 0.1875 });
    expect(candidate['ctr']).toEqual({
      rows: 0,
      meanLabel: null,
      meanPrediction: null,
      auc: null,
      logLoss: null,
      pcoc: null,
    });
    expect(comparison.add([{ ...request, labels: labels.map(() => ({ ms: 1, buy: null })) }])).toBe(2);
    expect(comparison.figures(0.95).present).toMatchObject({ ctr: { rows: 4, meanLabel: 0.5 }, cvr: { rows: 2 } });
  });

  it('rejects invalid labels with their location, and adds nothing then', () => {
    const comparison = new LiveComparison(spec);
    const add = (labels: LabeledRequest['labels']) => () =>
      comparison.add([
        { where: 'outcomes[0]', labels: [{ ms: 20, buy: 0 }], present: predictions(0.5) },
        { where: 'outcomes[1]', labels, present: predictions(...labels.map(() => 0.5)) },
      ]);
    expect(
      add([
        { ms: 20, buy: 1 },
        { ms: 20, buy: 2 },
      ]),
    ).toThrow('outcomes[1].labels[1]: column "buy": expected 0 or 1, found 2; send the labels ms, buy of each row');
    expect(add([{ ms: 5, buy: 1 }])).toThrow('outcomes[1].labels[0]: expected ctr to be 1 if buy is 1');
    expect(add([{ Ms: 5, buy: 0 }])).toThrow(/outcomes\[1\]\.labels\[0\]: column "ms": .*did you mean 'ms'/);
    expect(comparison.figures(0.95).present['ctr']!['rows']).toBe(0);
  });

  it('pairs the rows that both models of a shadow predict', () => {
    const comparison = new LiveComparison({ ...spec, isPaired: true });
    const labels = [0, 1, 0, 1].map((click) => ({ ms: 20 * click, buy: 0 }));
    const request = { where: 'outcomes[0]', labels };
    expect(
      comparison.add([
        { ...request, present: predictions(0.25, 0.5, NaN, 0.5), candidate: predictions(0.5, NaN, 0.5, 0.25) },
      ]),
    ).toBe(2);
    const { present, candidate } = comparison.figures(0.95);
    expect([present['ctr']!['rows'], candidate['ctr']!['rows']]).toEqual([2, 2]);
    expect([present['ctr']!['meanPrediction'], candidate['ctr']!['meanPrediction']]).toEqual([0.375, 0.375]);
  });

  it('drops the oldest rows beyond its memory', { tags: ['long'] }, () => {
    const comparison = new LiveComparison({ ...spec, tasks: [task('ctr', { label: 'click' })] });
    const block = 65_536;
    const labels = Array.from({ length: block }, () => ({ click: 0 }));
    for (let i = 0; i < 10; i++)
      comparison.add([{ where: '', labels, present: { ctr: new Float32Array(block).fill(i / 16) } }]);
    // Eight blocks: 2 to 9.
    expect(comparison.figures(0.95).present['ctr']).toMatchObject({ rows: 8 * block, meanPrediction: 5.5 / 16 });
  });
});
