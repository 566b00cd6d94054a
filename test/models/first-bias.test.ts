import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { computeLossBias } from '../../src/models/bias-init.js';
import { buildModel, embeddingParts, models, type GraphOptions } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { withEmbeddingParts } from '../../src/tables/layout.js';
import { taskOptions, type LabelSums, type Task } from '../../src/core/tasks.js';

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });
const funnel = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];
/** 1,000 rows, 40 clicks, 2 purchases. */
const sums = new Map<string, LabelSums>([
  ['ctr', { own: { weight: 1000, sum: 40 }, chain: { weight: 1000, sum: 40 } }],
  ['cvr', { own: { weight: 40, sum: 2 }, chain: { weight: 1000, sum: 2 } }],
]);

/** Predicts one row with zero weights in the last layers, so that only biases matter. */
async function silentPredictions(name: string, tasks: readonly Task[], options: GraphOptions) {
  const sgd = denseOptimizers.schema.parse({ learningRate: 0.1 });
  const spec = models.schema.parse({ name });
  const layout = withEmbeddingParts(
    {
      width: 3,
      tables: [{ name: 'id', rows: 2, width: 2 }],
      columns: [
        { field: 'id', offset: 0, width: 2, kind: 'id', table: 'id' },
        { field: 'x', offset: 2, width: 1, kind: 'number' },
      ],
    },
    embeddingParts(spec, tasks).length,
  );
  const program = createCpuEngine().compile({
    graph: buildModel(spec, layout, tasks, options),
    layout,
    optimizers: { dense: sgd, embeddings: { ...sgd, lazy: true } },
    seed: 3,
  });
  const { weights } = program.state();
  program.restore({
    step: 0,
    optimizer: new Map(),
    weights: new Map(
      [...weights].map(([key, { shape, data }]) => [
        key,
        { shape, data: key.endsWith('.out.weight') ? new Float32Array(data.length) : data },
      ]),
    ),
  });
  const predictions = await program.predict(
    toBatch({
      rows: 1,
      ids: new Map([['id', Uint32Array.of(1)]]),
      numbers: new Map([['x', Float32Array.of(0.3)]]),
    }),
  );
  program.dispose();
  return (of: string) => predictions.get(of)![0]!;
}

describe.each(models.names)('initial bias of %s', (name) => {
  it('gives the label rates of the training set: clicks, and purchases among clicks', async () => {
    const predicted = await silentPredictions(name, funnel, { sums, biasInit: 'prior' });
    expect(predicted('ctr')).toBeCloseTo(0.04, 5);
    expect(predicted('cvr')).toBeCloseTo(0.05, 5);
  });
});

describe('initial bias of a head', () => {
  it('is random if configured, or without label statistics', async () => {
    const drawn = await silentPredictions('mmoe', funnel, { sums, biasInit: 'random' });
    const unknown = await silentPredictions('mmoe', funnel, { biasInit: 'prior' });
    for (const predicted of [drawn, unknown])
      expect(Math.abs(Math.log(predicted('ctr') / (1 - predicted('ctr'))))).toBeLessThan(1);
    expect(unknown('ctr')).toBe(drawn('ctr'));
  });

  it('counts positives with the weight of the loss', async () => {
    const weighted = [
      { ...funnel[0]!, positiveWeight: 3 },
      { ...funnel[1]!, positiveWeight: 'balanced' as const },
    ];
    const predicted = await silentPredictions('mmoe', weighted, { sums, biasInit: 'prior' });
    expect(predicted('ctr')).toBeCloseTo((3 * 40) / (3 * 40 + 960), 5);
    expect(predicted('cvr')).toBeCloseTo(0.5, 5);
  });

  it('is the mean of a number, and finite for an absent class or a task without rows', async () => {
    const tasks = [
      task('spend', { label: 'spend', type: 'regression' }),
      task('never', { label: 'never' }),
      task('nowhere', { label: 'nowhere', given: 'never' }),
    ];
    const of = (weight: number, sum: number): LabelSums => ({ own: { weight, sum }, chain: { weight, sum } });
    const predicted = await silentPredictions('mmoe', tasks, {
      biasInit: 'prior',
      sums: new Map([
        ['spend', of(8, 100)],
        ['never', of(8, 0)],
        ['nowhere', of(0, 0)],
      ]),
    });
    expect(predicted('spend')).toBeCloseTo(12.5, 5);
    expect(predicted('never')).toBeCloseTo(1e-6, 8);
    expect(predicted('nowhere')).toBeCloseTo(0.5, 5);
  });

  it('of a tower that predicts the log loss of another is the entropy of its label', () => {
    const bias = computeLossBias(Math.log(0.05 / 0.95))!;
    expect(Math.log1p(Math.exp(bias))).toBeCloseTo(-0.05 * Math.log(0.05) - 0.95 * Math.log(0.95), 10);
  });
});
