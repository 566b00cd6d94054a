/** @module-tag long */
import { mapsOf, withMaps } from '../../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../../src/core/batch.js';
import { createCpuEngine } from '../../../src/engines/cpu/engine.js';
import type { Plan, Program } from '../../../src/engines/engine.js';
import { createWebGpuEngine } from '../../../src/engines/webgpu/engine.js';
import { SEGMENT_POOLINGS, type Value } from '../../../src/graph/operations.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../../src/optimizers/optimizers.js';
import type { InputLayout } from '../../../src/tables/layout.js';
import { planOf } from '../../support/graph-plan.js';
import { expectLikeFloat64 } from '../../support/like-float64.js';
import {
  ALIGNED_LAYOUT,
  batchOf,
  din,
  dinOfPaper,
  expectSamePartsOn,
  INTERESTS,
  largeEmbeddings,
  LAYOUT,
  MAX_ITEMS,
  planWith,
  poolAll,
  sequenceLayout,
  WIDTH,
  withAligned,
} from '../../support/sequences.js';
import { createTestEngine, gpu } from '../../support/webgpu.js';

/** Gives a program embeddings that are not small. */
function enlargeEmbeddings(program: Program): void {
  const weights = new Map([...program.state().weights, ['embeddings.item', largeEmbeddings()] as const]);
  program.restore({ step: 0, weights, optimizer: new Map() });
}

/** Returns a batch without any item. */
function withoutItems(batch: Batch): Batch {
  const none = { offsets: new Uint32Array(batch.rows + 1), ids: new Uint32Array(0), weights: new Float32Array(0) };
  return withMaps(batch, { bags: new Map([...mapsOf(batch).bags.keys()].map((field) => [field, none])) });
}

type Tensors = ReadonlyMap<string, Float32Array>;
const weightsOf = (program: Program): Tensors =>
  new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));

/** Expects elements within a share of the largest of their tensor. */
function expectNear(found: Tensors, expected: Tensors, bound: number): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, data] of expected) {
    const scale = Math.max(...data.map(Math.abs));
    data.forEach((value, i) =>
      expect(Math.abs(value - found.get(name)![i]!), `${name}[${i}]`).toBeLessThanOrEqual(bound * scale),
    );
  }
}

/** Adam would amplify the rounding of gradients that cancel, such as that of a bias before a softmax. */
const optimizers = (lazy = true): Plan['optimizers'] => ({
  dense: denseOptimizers.schema.parse({ name: 'sgd', learningRate: 0.1 }),
  embeddings: embeddingOptimizerSchema.parse({ name: 'adam', learningRate: 0.01, lazy }),
});

/** Takes the same steps on WebGPU and on the CPU; returns both programs. */
async function trainBoth(given: Plan, batches: readonly Batch[], lazy = true): Promise<readonly [Program, Program]> {
  const plan = { ...given, optimizers: optimizers(lazy) };
  const programs = [createTestEngine().compile(plan), createCpuEngine().compile(plan)] as const;
  for (const program of programs) enlargeEmbeddings(program);
  for (const batch of batches) {
    const settings = { isDiagnosed: plan.step?.isDiagnosed === true };
    const [found, expected] = [
      await programs[0].trainStep(batch, settings),
      await programs[1].trainStep(batch, settings),
    ];
    if (settings.isDiagnosed) expect(found.diagnosis).toBeDefined();
    for (const [term, { mean, rows }] of expected.losses) {
      expect(found.losses.get(term)!.mean).toBeCloseTo(mean, 5);
      expect(found.losses.get(term)!.rows).toBe(rows);
    }
  }
  return programs;
}

/** The items have a table of their own, so that its index list has half words, or share it with a bag. */
const LAYOUTS: Readonly<Record<string, InputLayout>> = {
  'their own table': {
    ...LAYOUT,
    tables: [...LAYOUT.tables, { name: 'target', rows: 40, width: WIDTH }],
    columns: LAYOUT.columns.map((columns) => (columns.kind === 'id' ? { ...columns, table: 'target' } : columns)),
  },
  'a table with a bag': {
    ...LAYOUT,
    columns: [
      { kind: 'bag', field: 'clicked', table: 'item', pooling: 'mean', offset: 0, width: WIDTH, maxItems: MAX_ITEMS },
      { kind: 'number', field: 'price', offset: WIDTH, width: 1 },
    ],
  },
};

/** A plan of two terms on two sequences of one table, which are looked up before the features. */
function twoSequences(step: Plan['step'] = {}): Plan {
  const fields = ['bought', 'clicked'];
  const sequences = fields.map((field) => sequenceLayout({ field, table: 'item', width: WIDTH, maxItems: MAX_ITEMS }));
  const plan = planOf({ ...LAYOUT, sequences }, (g, input, y) => {
    const pooled = fields.map((field, s) => {
      const items = g.input({ kind: 'items', field, table: 'item' }, WIDTH);
      return g.segmentPool(g.activation(g.linear(items, 4 + 8 * s, field), 'sigmoid', `${field}.act`), 'mean');
    });
    const all = g.concat([input, ...pooled]);
    const [logit, other] = [g.linear(all, 1, 'out'), g.linear(all, 1, 'other')];
    return {
      predictions: { p: logit },
      terms: [
        { name: 'ctr', weight: 1, loss: g.binaryCrossEntropy(logit, y) },
        { name: 'value', weight: 0.5, loss: g.squaredError(other, y) },
      ],
    };
  });
  const isItems = (value: Value): boolean => value.op === 'input' && value.source.kind === 'items';
  const { values } = plan.graph;
  const reordered = [...values.filter(isItems), ...values.filter((value) => !isItems(value))];
  return { ...plan, step, graph: { ...plan.graph, values: reordered } };
}

describe.skipIf(gpu === undefined)('sequences on WebGPU', () => {
  it.each(Object.entries(INTERESTS))('equal float64: %s', async (_, interest) => {
    const plan = planWith(interest);
    const program = createTestEngine().compile(plan);
    enlargeEmbeddings(program);
    await expectLikeFloat64(program, plan, batchOf(20, 1), 2e-5);
    program.dispose();
  });

  it.each(['prelu', 'dice', 'relu'] as const)('of aligned fields equal float64 in DIN with %s', async (activation) => {
    const plan = planWith(dinOfPaper(activation), {}, ['tower'], ALIGNED_LAYOUT);
    const program = createTestEngine().compile(plan);
    enlargeEmbeddings(program);
    await expectLikeFloat64(program, plan, withAligned(batchOf(20, 1), 1), 2e-5);
    program.dispose();
  });

  it('give zeros to a row without items', async () => {
    const plan = planOf(LAYOUT, (g, input, y) => {
      const ones = g.affine(g.slice(g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH), 0, 1), 0, 1);
      const counts = SEGMENT_POOLINGS.map((of) => [of, g.segmentPool(ones, of)] as const);
      const loss = g.squaredError(g.linear(input, 1, 'out'), y);
      return { predictions: Object.fromEntries(counts), terms: [{ name: 'y', weight: 1, loss }] };
    });
    const batch = batchOf(9, 2);
    const predictions = await createTestEngine().compile(plan).predict(batch);
    const { offsets } = column(batch, 'clicked', 'list');
    const counts = Array.from({ length: 9 }, (_, b) => offsets[b + 1]! - offsets[b]!);
    expect([...predictions.get('sum')!]).toEqual(counts);
    for (const of of ['mean', 'max']) expect([...predictions.get(of)!]).toEqual(counts.map((n) => Math.min(n, 1)));
  });

  it.each<[string, Plan['step'], number]>([
    ['one pass', { clip: { norm: 0.5, separate: false }, average: { decay: 0.9 } }, 1200],
    ['several passes', { rows: 700 }, 700],
  ])(
    'train DIN to the losses and weights of the CPU in %s, also with a batch without any item',
    async (_, step, rows) => {
      const plan = { ...planWith(din, step), batchRows: step?.rows === undefined ? rows : 300 };
      const batches = [1, 2, 3, 4].map((seed) => batchOf(rows - seed, seed));
      const programs = await trainBoth(plan, [...batches.slice(0, 2), withoutItems(batches[2]!), batches[3]!]);
      expectNear(weightsOf(programs[0]), weightsOf(programs[1]), 1e-4);
      const [found, expected] = await Promise.all(programs.map((program) => program.predict(batchOf(50, 9))));
      expectNear(found!, expected!, 1e-4);
      for (const program of programs) program.dispose();
    },
  );

  it.each(Object.entries(LAYOUTS))('look up and train items in %s as on the CPU', async (_, layout) => {
    const plan = { ...planWith(din, {}, ['tower'], layout), batchRows: 100 };
    const programs = await trainBoth(
      plan,
      [1, 2, 3].map((seed) => batchOf(100, seed)),
    );
    expectNear(weightsOf(programs[0]), weightsOf(programs[1]), 1e-4);
  });

  it('train a table that is not lazy, or that spans several buffers, as on the CPU', async () => {
    const plan = planWith(din);
    const small = { ...gpu!, maxBufferBytes: 4 * 500 };
    const batches = [1, 2, 3].map((seed) => batchOf(100, seed));
    const programs = await trainBoth(plan, batches, false);
    const program = createTestEngine(small).compile({ ...plan, optimizers: optimizers(false) });
    enlargeEmbeddings(program);
    for (const batch of batches) await program.trainStep(batch);
    for (const each of [programs[0], program]) expectNear(weightsOf(each), weightsOf(programs[1]), 1e-4);
  });

  it.each<[string, Plan['step']]>([
    ['all terms', {}],
    ['each term, with a diagnosis', { combinesTerms: true, isDiagnosed: true }],
  ])('train two sequences of one table as on the CPU, backward from %s', async (_, step) => {
    const batches = [1, 2, 3].map((seed): Batch => {
      const [batch, other] = [batchOf(90, seed), batchOf(90, seed + 10)];
      return withMaps(batch, { bags: new Map([['bought', column(other, 'clicked', 'list')]]) });
    });
    const programs = await trainBoth(twoSequences(step), batches);
    expectNear(weightsOf(programs[0]), weightsOf(programs[1]), 1e-4);
  });

  it('train to bitwise identical weights with steps in flight and with other threads for index lists', async () => {
    const trained: Tensors[] = [];
    for (const [isAhead, listThreads] of [
      [false, 0],
      [true, 2],
    ] as const) {
      const program = createWebGpuEngine(gpu!, { listThreads }).compile({ ...planWith(din), batchRows: 1500 });
      const steps: Promise<unknown>[] = [];
      for (let seed = 0; seed < 6; seed++) {
        const batch = seed === 3 ? withoutItems(batchOf(10, 3)) : batchOf(1500 - seed, seed);
        steps.push(program.trainStep(batch, { isAhead }));
        if (!isAhead) await steps.at(-1);
      }
      await program.catchUp!();
      await Promise.all(steps);
      await program.readBack!();
      trained.push(weightsOf(program));
      program.dispose();
    }
    expect(trained[1]).toEqual(trained[0]);
  });

  it('predict a batch in parts as its rows', async () => {
    await expectSamePartsOn(createTestEngine());
  });

  it('are rejected if there are more than a window of arguments counts', () => {
    const sequences = Array.from({ length: 33 }, (_, s) => ({ ...LAYOUT.sequences![0]!, field: `s${s}`, maxItems: 1 }));
    const plan = planOf({ ...LAYOUT, sequences }, poolAll(sequences.map(({ field }) => field)));
    expect(() => createTestEngine().compile(plan)).toThrow('33 sequences; at most 32 are supported');
  });
});
