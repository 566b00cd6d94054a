import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/batches/dataset.js';
import { labelSums } from '../../src/data/batches/label-facts.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });

/** Creates a dataset of six rows in two reads, with or without label counts. */
function datasetOf(labelCounts: Readonly<Record<string, number>>) {
  const labels = new Map([
    ['click', [1, 0, 1, 1, 0, 0]],
    ['purchase', [1, 0, 0, 1, 0, 1]],
    ['spend', [2.5, 0, 0, 10, 0, 100]],
    ['tasks.pay.known', [1, 0, 1, 0, 1, 1]],
    ['tasks.pay.mask', [1, 0, 1, 0, 0, 0]],
    ['tasks.pay.chainKnown', [1, 1, 1, 0, 1, 1]],
    ['sampleWeight.w', [1, 2, 3, 0.5, 0, 1]],
  ]);
  let reads = 0;
  const dataset: Dataset = {
    rows: 6,
    idCounts: new Map(),
    leftOut: new Map(),
    keyTexts: new Map(),
    labelCounts: new Map(Object.entries(labelCounts)),
    async *batches() {
      yield* await Promise.reject<never[]>(new Error('no pass over the features is needed'));
    },
    async *labels() {
      reads++;
      for (const begin of [0, 3])
        yield Promise.resolve(
          toBatch({
            rows: 3,
            labels: new Map(
              [...labels].map(([name, values]) => [name, Float32Array.from(values.slice(begin, begin + 3))]),
            ),
          }),
        );
    },
    close: () => Promise.resolve(),
  };
  return { dataset, reads: () => reads };
}

const ctr = task('ctr', { label: 'click' });

describe('labelSums', () => {
  it('uses stored counts without reading labels', async () => {
    const { dataset, reads } = datasetOf({ click: 3, purchase: 2 });
    const sums = await labelSums(dataset, [ctr, task('cvr', { label: 'purchase', given: 'click' })]);
    expect(sums).toEqual(
      new Map([
        ['ctr', { own: { weight: 6, sum: 3 }, chain: { weight: 6, sum: 3 } }],
        ['cvr', { own: { weight: 3, sum: 2 }, chain: { weight: 6, sum: 2 } }],
      ]),
    );
    expect(reads()).toBe(0);
  });

  it('reads labels once without counts, for positives outside given, masked labels and row weights', async () => {
    const counted = { click: 3, purchase: 3, 'tasks.pay.known': 4, 'tasks.pay.mask': 2, 'tasks.pay.chainKnown': 5 };
    const kept = task('kept', { label: 'purchase', given: { label: 'click', violations: 'keep' } });
    const pay = task('pay', { label: 'purchase', given: 'click', onMissing: 'mask' });
    const weighted = task('weighted', { label: 'click', sampleWeight: 'w' });
    for (const [counts, tasks, expected] of [
      [{}, [ctr], [['ctr', { own: { weight: 6, sum: 3 }, chain: { weight: 6, sum: 3 } }]]],
      [
        counted,
        [ctr, kept],
        [
          ['ctr', { own: { weight: 6, sum: 3 }, chain: { weight: 6, sum: 3 } }],
          ['kept', { own: { weight: 3, sum: 2 }, chain: { weight: 6, sum: 3 } }],
        ],
      ],
      [
        counted,
        [ctr, pay],
        [
          ['ctr', { own: { weight: 6, sum: 3 }, chain: { weight: 6, sum: 3 } }],
          ['pay', { own: { weight: 2, sum: 1 }, chain: { weight: 5, sum: 2 } }],
        ],
      ],
      [counted, [weighted], [['weighted', { own: { weight: 7.5, sum: 4.5 }, chain: { weight: 7.5, sum: 4.5 } }]]],
    ] as const) {
      const { dataset, reads } = datasetOf(counts);
      expect(await labelSums(dataset, tasks)).toEqual(new Map<string, unknown>(expected));
      expect(reads()).toBe(1);
    }
  });

  it('sums a regression label over the rows of its task', async () => {
    const spend = task('spend', { label: 'spend', type: 'regression', given: 'click' });
    expect((await labelSums(datasetOf({ click: 3 }).dataset, [ctr, spend])).get('spend')).toEqual({
      own: { weight: 3, sum: 12.5 },
      chain: { weight: 6, sum: 112.5 },
    });
    expect(
      (await labelSums(datasetOf({ click: 3 }).dataset, [ctr, spend], () => (value) => 2 * value)).get('spend')!.own,
    ).toEqual({ weight: 3, sum: 25 });
  });
});
