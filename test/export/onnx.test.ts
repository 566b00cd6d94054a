/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { listOutputs } from '../../src/evaluation/outputs.js';
import { buildModel, listLookups, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { POOLINGS, withEmbeddingParts, withWidePart, type InputLayout } from '../../src/tables/layout.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { LOSS_CASES } from '../support/every-operation.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { expectNear, exportedModel, feedsOf, openOnnx, runOnnx } from '../support/onnx.js';

const task = (name: string, options: object): Task => ({ name, ...taskOptions.parse(options) });

/** Trains a program for some steps, so that running statistics and slopes differ from their initial values. */
async function trained(plan: Plan, batch: Batch): Promise<Program> {
  const program = createCpuEngine().compile({
    ...plan,
    optimizers: {
      ...plan.optimizers,
      dense: denseOptimizers.schema.parse({ learningRate: 0.1 }),
      embeddings: { ...plan.optimizers.embeddings, learningRate: 0.2 },
    },
  });
  for (let step = 0; step < 5; step++) await program.trainStep(batch);
  return program;
}

/** Users, items and bags of items that share a table; some bags are empty, one has weights of 0. */
function bagBatch(rows: number, layout: InputLayout): Batch {
  const random = randomStream(rows, 'bags');
  const columns = (kind: string) =>
    layout.columns.filter((column) => column.kind === kind && !('isBetweenRows' in column)).map(({ field }) => field);
  const bag = () => {
    const sizes = Array.from({ length: rows }, (_, b) => (b % 3 === 0 ? 0 : random.below(5)));
    const offsets = Uint32Array.from(
      [0, ...sizes],
      (
        (end) => (size) =>
          (end += size)
      )(0),
    );
    const items = offsets[rows]!;
    return {
      offsets,
      ids: Uint32Array.from({ length: items }, () => random.below(7)),
      weights: Float32Array.from({ length: items }, (_, i) => (i < offsets[2]! ? 0 : random.uniform())),
    };
  };
  const classes = () => Float32Array.from({ length: rows }, () => Number(random.uniform() < 0.4));
  const click = classes();
  return toBatch({
    rows,
    ids: new Map(columns('id').map((field) => [field, Uint32Array.from({ length: rows }, () => random.below(7))])),
    numbers: new Map([
      ...columns('number').map((field) => [field, Float32Array.from({ length: rows }, () => random.normal())] as const),
      ['age', Float32Array.from({ length: rows }, (_, b) => (b % 4 === 0 ? 6 : 6 * random.uniform()))],
    ]),
    bags: new Map(columns('bag').map((field) => [field, bag()])),
    labels: new Map([
      ['y', click],
      ['click', click],
      ['purchase', classes().map((y, b) => y * click[b]!)],
    ]),
  });
}

const mixed: InputLayout = {
  width: 4 + 4 + 1 + 4 + 4 * POOLINGS.length,
  tables: [
    { name: 'user', rows: 7, width: 4 },
    { name: 'item', rows: 7, width: 4 },
  ],
  columns: [
    { field: 'user', offset: 0, width: 4, kind: 'id', table: 'user' },
    { field: 'item', offset: 4, width: 4, kind: 'id', table: 'item' },
    { field: 'price', offset: 8, width: 1, kind: 'number' },
    { field: 'age', offset: 9, width: 4, kind: 'bag', table: 'user', pooling: 'sum', isBetweenRows: true },
    ...POOLINGS.map((pooling, p) => ({
      field: `history ${pooling}`,
      offset: 13 + 4 * p,
      width: 4,
      kind: 'bag' as const,
      table: 'item',
      pooling,
    })),
  ],
};

describe('ONNX operation', () => {
  it.each([...LOSS_CASES].filter(([name]) => name.startsWith('through')))('%s equals the engine', async (_, build) => {
    const plan = planOf(3, (g, input, y) => {
      const loss = build(g, input, y, 'a');
      return {
        terms: [{ name: 'y', loss, weight: 1 }],
        predictions: { p: loss.op === 'squaredError' ? loss.prediction : y },
      };
    });
    const program = await trained(plan, numericBatch(32, 3));
    const session = await openOnnx(exportedModel(plan, program));
    for (const rows of [1, 19]) {
      const batch = numericBatch(rows, 3, rows);
      expectNear(await runOnnx(session, feedsOf(batch)), await program.predict(batch));
    }
  });

  it('merges a normalization into the preceding layer if nothing else reads it', async () => {
    const plan = planOf(3, (g, input, y) => {
      const out = g.batchNorm(g.linear(input, 1, 'a', { bias: false }), 'n');
      return { terms: [{ name: 'y', loss: g.squaredError(out, y), weight: 1 }], predictions: { p: out } };
    });
    const program = await trained(plan, numericBatch(32, 3));
    const { emitModel } = await import('../../src/export/onnx/emit-model.js');
    const { message } = emitModel(exportedModel(plan, program), { bags: 'offsets' });
    expect(
      message.graph.nodes
        .map(({ operator }) => operator)
        .filter((name) => ['Gemm', 'MatMul', 'Mul', 'Add'].includes(name)),
    ).toEqual(['Gemm']);
  });
});

describe('ONNX inputs', () => {
  const plan = planOf(mixed, (g, input, y) => {
    const out = g.linear(input, 1, 'out');
    return { terms: [{ name: 'y', loss: g.squaredError(out, y), weight: 1 }], predictions: { p: out } };
  });

  it.each(['offsets', 'padded'] as const)(
    'are ids, numbers and bags of every pooling, %s, also for empty bags',
    async (form) => {
      const program = await trained(plan, bagBatch(64, mixed));
      const session = await openOnnx(exportedModel(plan, program), { bags: form });
      for (const rows of [1, 2, 33]) {
        const batch = bagBatch(rows, mixed);
        expectNear(await runOnnx(session, feedsOf(batch, form)), await program.predict(batch));
      }
    },
  );

  it('reject ids outside the table', async () => {
    const session = await openOnnx(exportedModel(plan, await trained(plan, bagBatch(8, mixed))));
    const feeds = feedsOf(bagBatch(2, mixed));
    for (const id of [7n, -1n]) {
      (feeds['user']!.data as BigInt64Array)[1] = id;
      await expect(runOnnx(session, feeds)).rejects.toThrow(/out of data bounds|out of range/i);
    }
  });
});

describe('ONNX model', () => {
  const tasks = [task('ctr', { label: 'click' }), task('cvr', { label: 'purchase', given: 'click' })];

  it.each(
    models.names.flatMap(
      (name) =>
        [
          [name, ''],
          [name, ', with a wide part,'],
        ] as const,
    ),
  )('of %s%s predicts every output like the engine, for any batch size', async (name, withPart) => {
    const adam = denseOptimizers.schema.parse({});
    const spec = models.schema.parse({ name, wide: withPart !== '' });
    const { embeddingParts, wide } = listLookups(spec, tasks);
    const features = withEmbeddingParts(mixed, embeddingParts.length);
    const layout = wide === undefined ? features : withWidePart(features, wide);
    const plan = {
      graph: buildModel(spec, layout, tasks),
      layout,
      optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
      seed: 3,
    };
    const program = await trained(plan, bagBatch(64, layout));
    const session = await openOnnx({ ...exportedModel(plan, program), outputs: listOutputs(tasks) });
    for (const rows of [1, 50]) {
      const batch = bagBatch(rows, layout);
      const predicted = new Map(await program.predict(batch));
      const cvr = predicted.get('cvr')!;
      expectNear(
        await runOnnx(session, feedsOf(batch)),
        predicted.set(
          'ctcvr',
          predicted.get('ctr')!.map((ctr, b) => ctr * cvr[b]!),
        ),
      );
    }
  });
});
