import { mapsOf, toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { Plan } from '../../src/engines/engine.js';
import { buildModel, embeddingParts, models, type GraphOptions } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { withEmbeddingParts } from '../../src/tables/layout.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { engines } from '../support/engines.js';

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });
const tasks = [
  task('ctr', { label: 'click', onMissing: 'mask', sampleWeight: 'w', positiveWeight: 3 }),
  task('cvr', { label: 'purchase', given: 'click', onMissing: 'mask', sampleWeight: 'w', positiveWeight: 'balanced' }),
];
// 2.5 times as many negatives as positives over the rows of the task, 7 times in total.
const sums = new Map([['cvr', { own: { weight: 3.5, sum: 1 }, chain: { weight: 8, sum: 1 } }]]);
const ROWS = 24;

const sgd = denseOptimizers.schema.parse({ learningRate: 0.1 });
function planOf(spec: object, of = tasks, options: GraphOptions = { sums }): Plan {
  const parsed = models.schema.parse(spec);
  const layout = withEmbeddingParts(
    {
      width: 5,
      tables: [{ name: 'item', rows: 5, width: 4 }],
      columns: [
        { field: 'item', offset: 0, width: 4, kind: 'id', table: 'item' },
        { field: 'price', offset: 4, width: 1, kind: 'number' },
      ],
    },
    embeddingParts(parsed, of).length,
  );
  return {
    graph: buildModel(parsed, layout, of, options),
    layout,
    optimizers: { dense: sgd, embeddings: { ...sgd, lazy: true } },
    seed: 3,
    step: { rows: ROWS },
    batchRows: ROWS,
  };
}

function batchOf(): Batch {
  const random = randomStream(1, 'rows');
  const floats = (value: (row: number) => number): Float32Array =>
    Float32Array.from({ length: ROWS }, (_, row) => value(row));
  const click = floats((row) => Number(row % 3 > 0));
  const known = floats((row) => Number(row % 5 > 0));
  const purchase = floats((row) => click[row]! * known[row]! * (row % 2));
  return toBatch({
    rows: ROWS,
    ids: new Map([['item', Uint32Array.from({ length: ROWS }, () => random.below(5))]]),
    numbers: new Map([['price', floats(() => random.normal())]]),
    labels: new Map([
      ['click', click],
      ['purchase', purchase],
      ['sampleWeight.w', floats((row) => 0.25 * (row % 4))],
      ['tasks.ctr.known', floats((row) => Number(row % 7 > 0))],
      ['tasks.cvr.known', known],
      ['tasks.cvr.mask', floats((row) => known[row]! * click[row]!)],
      ['tasks.cvr.chainKnown', floats((row) => Math.max(known[row]!, 1 - click[row]!))],
    ]),
  });
}

/** Computes the mean of weight times log loss over the rows of a mask, and their number. */
function weighted(
  batch: Batch,
  label: string,
  mask: string,
  positives: number,
  predictions: Float32Array,
): { readonly mean: number; readonly rows: number } {
  const { labels } = mapsOf(batch);
  let [sum, rows] = [0, 0];
  for (let row = 0; row < ROWS; row++) {
    if (labels.get(mask)![row] !== 1) continue;
    const y = labels.get(label)![row]!;
    sum +=
      labels.get('sampleWeight.w')![row]! *
      (y === 1 ? -positives * Math.log(predictions[row]!) : -Math.log(1 - predictions[row]!));
    rows++;
  }
  return { mean: sum / rows, rows };
}

describe.each(engines)('$name', ({ create }) => {
  it.each(['mmoe', 'shared-bottom', 'esmm'])(
    'divides the sum of weight times loss by the number of counted rows: %s',
    async (name) => {
      const batch = batchOf();
      const program = (await create()).compile(planOf({ name }));
      const { losses, predictions } = await program.inspect(batch);
      const [ctr, cvr] = [predictions.get('ctr')!, predictions.get('cvr')!];
      const expected = {
        ctr: weighted(batch, 'click', 'tasks.ctr.known', 3, ctr),
        ...(name === 'esmm'
          ? {
              ctcvr: weighted(
                batch,
                'purchase',
                'tasks.cvr.chainKnown',
                7,
                ctr.map((p, row) => p * cvr[row]!),
              ),
            }
          : { cvr: weighted(batch, 'purchase', 'tasks.cvr.mask', 2.5, cvr) }),
      };
      expect([...losses.keys()]).toEqual(Object.keys(expected));
      for (const [term, { mean, rows }] of Object.entries(expected)) {
        expect(losses.get(term)!.mean).toBeCloseTo(mean, 5);
        expect(losses.get(term)!.rows).toBe(rows);
      }
      program.dispose();
    },
  );

  it('takes the same step for an accumulated batch, with any masks and weights', async () => {
    const batch = batchOf();
    const steps = await Promise.all(
      [ROWS, ROWS / 4].map(async (batchRows) => {
        const plan = planOf({
          name: 'mmoe',
          gate: { batchNorm: false },
          experts: { count: 2, hidden: [4], batchNorm: false },
          tower: { hidden: [4], batchNorm: false },
        });
        const program = (await create()).compile({ ...plan, batchRows });
        const { losses } = await program.trainStep(batch);
        const weights = [...program.state().weights].map(([key, { data }]) => [key, data.slice()] as const);
        program.dispose();
        return { losses, weights };
      }),
    );
    for (const [term, { mean, rows }] of steps[0]!.losses) {
      expect(steps[1]!.losses.get(term)!.mean).toBeCloseTo(mean, 5);
      expect(steps[1]!.losses.get(term)!.rows).toBe(rows);
    }
    for (const [i, [key, data]] of steps[0]!.weights.entries()) {
      const [otherKey, other] = steps[1]!.weights[i]!;
      expect(otherKey).toBe(key);
      for (const [j, value] of data.entries()) expect(other[j]).toBeCloseTo(value, 4);
    }
  });
});

describe('model label options', () => {
  it.each(models.names)('of %s apply row and class weights in each term that compares with a label', (name) => {
    const { graph } = planOf({ name });
    const compared = graph.terms.filter(({ loss }) => 'label' in loss && loss.label.op === 'input');
    expect(compared.length).toBeGreaterThan(0);
    for (const { loss } of compared) expect([loss.mask, loss.weights]).not.toContain(undefined);
  });

  it.each(models.names)('of %s read no additional labels without weights or missing labels', (name) => {
    const plain = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];
    const read = planOf({ name }, plain).graph.values.flatMap((value) =>
      value.op === 'input' && value.source.kind === 'label' ? [value.source.column] : [],
    );
    expect(read.sort()).toEqual(['click', 'purchase']);
  });

  it('weigh single terms in addition to their tasks', () => {
    const { graph } = planOf(
      { name: 'esmm' },
      [
        { ...tasks[0]!, weight: 2 },
        { ...tasks[1]!, weight: 3 },
      ],
      { lossWeights: { ctcvr: 0.5 } },
    );
    expect(graph.terms.map(({ name, weight }) => [name, weight])).toEqual([
      ['ctr', 2],
      ['ctcvr', 1.5],
    ]);
  });
});
