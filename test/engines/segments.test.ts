import { withMaps } from '../support/batches.js';
import { setTimeout } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';
import { randomStream } from '../../src/core/random.js';
import { printProgram } from '../../src/engines/compile/print.js';
import { compile } from '../../src/engines/compile/compile.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { SEGMENT_POOLINGS, type Value } from '../../src/graph/operations.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { planOf } from '../support/graph-plan.js';
import {
  batchOf,
  batchWithoutItems,
  din,
  dinWith,
  expectSamePartsOn,
  INTERESTS,
  largeEmbeddings,
  LAYOUT,
  MAX_ITEMS,
  planWith,
  poolAll,
  sequenceOf,
  WIDTH,
  type Interest,
  sequenceLayout,
} from '../support/sequences.js';
import { createTfjsEngine } from '../support/tfjs.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine())],
  ['tfjs', createTfjsEngine],
];

const onEngines = engines.flatMap(([engine, create]) =>
  Object.entries<Interest>(INTERESTS).map(([name, interest]) => ({ engine, create, name, interest })),
);

/** Predicts each pooling of a column of items; also returns the number of items of each row. */
async function predictPooled(create: () => Promise<Engine>, valueOf: (g: GraphBuilder) => Value) {
  const rows = 9;
  const plan = planOf(LAYOUT, (g, input, y) => {
    const x = valueOf(g);
    const pooled = SEGMENT_POOLINGS.map((of) => [of, g.segmentPool(x, of)] as const);
    const loss = g.squaredError(g.linear(input, 1, 'out'), y);
    return { predictions: Object.fromEntries(pooled), terms: [{ name: 'y', weight: 1, loss }] };
  });
  const batch = batchOf(rows, 2);
  const predictions = await (await create()).compile(plan).predict(batch);
  const { offsets } = column(batch, 'clicked', 'list');
  return { predictions, counts: Array.from({ length: rows }, (_, b) => offsets[b + 1]! - offsets[b]!) };
}

describe('operations on the items of a sequence', () => {
  it.each(onEngines)('equal float64 on $engine: $name', async ({ create, interest }) => {
    const plan = planWith(interest);
    const program = (await create()).compile(plan);
    const weights = new Map([...program.state().weights, ['embeddings.item', largeEmbeddings()] as const]);
    program.restore({ step: 0, weights, optimizer: new Map() });
    await expectLikeFloat64(program, plan, batchOf(20, 1), 2e-5);
    program.dispose();
  });

  it.each(engines)('select the newest of equal scores, 0 and -0 being equal, on %s', async (_name, create) => {
    const { predictions, counts } = await predictPooled(create, (g) => {
      const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
      return g.selectTop(g.affine(g.slice(items, 0, 1), 0, 0), 3);
    });
    const selected = counts.map((count) => Math.min(count, 3));
    expect([...predictions.get('max')!]).toEqual(selected.map((count) => Math.max(count - 1, 0)));
    expect([...predictions.get('sum')!]).toEqual(selected.map((count) => (count * Math.max(count - 1, 0)) / 2));
    expect(Math.max(...counts)).toBeGreaterThan(3);
  });

  it.each(engines)('equal float64 for a batch without any item on %s', async (_name, create) => {
    const plan = planWith((g, input, items) =>
      g.concat([
        dinWith('dice', 'dice')(g, input, items),
        dinWith('prelu', 'prelu')(g, input, items),
        ...SEGMENT_POOLINGS.map((of) => g.segmentPool(g.shift(g.layerNorm(items, `norm.${of}`), 1), of)),
      ]),
    );
    const program = (await create()).compile(plan);
    await expectLikeFloat64(program, plan, batchWithoutItems(20, 1), 2e-5);
    program.dispose();
  });

  it.each(engines)(
    'equal float64 for several sequences, of which the graph reads some, on %s',
    async (_name, create) => {
      const sequences = [
        sequenceLayout({ field: 'bought', table: 'item', width: WIDTH, maxItems: 2 }),
        sequenceLayout({ field: 'shops', table: 'shop', width: 3, maxItems: 4 }),
        sequenceLayout({ field: 'clicked', table: 'item', width: WIDTH, maxItems: MAX_ITEMS }),
      ];
      const tables = [...LAYOUT.tables, { name: 'shop', rows: 40, width: 3 }];
      const plan = planOf({ ...LAYOUT, tables, sequences }, (g, input, y) => {
        const clicked = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
        const shops = g.input({ kind: 'items', field: 'shops', table: 'shop' }, 3);
        const pooled = [g.segmentPool(clicked, 'mean'), g.segmentPool(g.segmentSoftmax(shops), 'max')];
        const out = g.linear(g.concat([input, ...pooled]), 1, 'out');
        return { predictions: { p: out }, terms: [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }] };
      });
      const batch = batchOf(20, 3);
      const random = randomStream(3, 'others');
      const [bought, shops] = [2, 4].map((most) =>
        sequenceOf(
          Array.from({ length: 20 }, () => random.below(most + 1)),
          random,
        ),
      );
      const bags = new Map([
        ['bought', bought!],
        ['shops', shops!],
      ]);
      const program = (await create()).compile(plan);
      await expectLikeFloat64(program, plan, withMaps(batch, { bags }), 2e-5);
      program.dispose();
    },
  );

  it.each(engines)('give zeros to a row without items on %s', async (_name, create) => {
    const { predictions, counts } = await predictPooled(create, (g) => {
      const items = g.input({ kind: 'items', field: 'clicked', table: 'item' }, WIDTH);
      return g.affine(g.slice(items, 0, 1), 0, 1);
    });
    expect([...predictions.get('sum')!]).toEqual(counts);
    for (const of of ['mean', 'max']) expect([...predictions.get(of)!]).toEqual(counts.map((n) => Math.min(n, 1)));
  });

  it.each(engines)(
    'count positions from the end of a row, without items that are looked up, on %s',
    async (_name, create) => {
      const { predictions, counts } = await predictPooled(create, (g) => g.itemPosition('clicked'));
      expect([...predictions.get('max')!]).toEqual(counts.map((n) => Math.max(n - 1, 0)));
      expect([...predictions.get('sum')!]).toEqual(counts.map((n) => (n * Math.max(n - 1, 0)) / 2));
    },
  );

  it(
    'train to bitwise identical weights for 1, 2 and 3 threads, in one pass and in several',
    { tags: ['long'] },
    async () => {
      for (const step of [undefined, { rows: 700 }, { combinesTerms: true }]) {
        const trained: unknown[] = [];
        for (const threads of [1, 2, 3]) {
          const program = createCpuEngine(threads, true, { isPatient: true }).compile({
            ...planWith(din, step),
            batchRows: 300,
          });
          await setTimeout(200);
          for (let seed = 0; seed < 4; seed++) {
            const { losses } = await program.trainStep(batchOf(step?.rows ?? 300, seed));
            expect(losses.get('ctr')!.mean).toBeGreaterThan(0); // not a refused step
          }
          trained.push([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
          program.dispose();
        }
        expect(trained[1]).toEqual(trained[0]);
        expect(trained[2]).toEqual(trained[0]);
      }
    },
  );

  describe.each<[string, Plan['step']]>([
    ['in one pass', undefined],
    ['in several passes', { rows: 700 }],
    ['with combined terms', { combinesTerms: true }],
    [
      'clipped, averaged and diagnosed',
      { clip: { norm: 0.5, separate: true }, average: { decay: 0.9 }, isDiagnosed: true },
    ],
  ])('train on tfjs as on the CPU engine, %s', { tags: ['long'] }, (_, step) => {
    const trainOn = async (create: () => Promise<Engine>, interest: Interest) => {
      const program = (await create()).compile({ ...planWith(interest, step), batchRows: 300 });
      const rows = step?.rows ?? 300;
      const settings = { isDiagnosed: step?.isDiagnosed };
      const numbers: number[] = [];
      for (let seed = 0; seed < 6; seed++) {
        const batch = seed === 2 ? batchWithoutItems(rows, seed) : batchOf(rows, seed);
        const { losses, norms, diagnosis } = await program.trainStep(batch, settings);
        numbers.push(losses.get('ctr')!.mean, ...(diagnosis?.gramian ?? []));
        if (step?.clip !== undefined) numbers.push(norms.dense, norms.embeddings);
      }
      const held = batchOf(50, 9);
      numbers.push(...(await program.averaged(() => program.predict(held))).get('p')!);
      const { losses, predictions } = await program.evaluate(held);
      numbers.push(losses.get('ctr')!.mean, ...predictions.get('p')!);
      const { optimizer, weights } = program.state();
      const tensors = [...weights, ...optimizer].map(([name, { data }]) => [name, data.slice()] as const);
      program.dispose();
      return { numbers, tensors };
    };

    it.each([
      ['din', din],
      ['dropout of items', INTERESTS['dropout of items']],
    ] as const)('%s', async (_name, interest) => {
      const expected = await trainOn(() => Promise.resolve(createCpuEngine()), interest);
      const found = await trainOn(createTfjsEngine, interest);
      expect(found.numbers).toHaveLength(expected.numbers.length);
      for (const [i, number] of expected.numbers.entries())
        expect(Math.abs(found.numbers[i]! - number), `number ${i}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(number)));
      expect(found.tensors.map(([name]) => name)).toEqual(expected.tensors.map(([name]) => name));
      expect(await trainOn(createTfjsEngine, interest)).toEqual(found);
    });
  });

  it('leak no tensors of tfjs', { tags: ['long'] }, async () => {
    const program = (await createTfjsEngine()).compile(planWith(din));
    const batches = [batchOf(8, 1), batchOf(9, 2), batchWithoutItems(8, 3)];
    const run = async (): Promise<tf.MemoryInfo> => {
      for (const batch of batches) {
        await program.trainStep(batch);
        await program.evaluate(batch);
      }
      return tf.memory();
    };
    const { numTensors, numDataBuffers } = await run();
    for (let round = 0; round < 10; round++) expect(await run()).toMatchObject({ numTensors, numDataBuffers });
    program.dispose();
  });

  it('train the same weights with tables in memory of their own', async () => {
    const step: Plan['step'] = { clip: { norm: 0.5, separate: false }, average: { decay: 0.9 } };
    const trained: unknown[] = [];
    for (const tableBytes of [2 ** 30, 0]) {
      const program = createCpuEngine(1, true, { tableBytes }).compile(planWith(din, step));
      for (let seed = 0; seed < 4; seed++) await program.trainStep(batchOf(200, seed));
      trained.push([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
      program.dispose();
    }
    expect(trained[1]).toEqual(trained[0]);
  });

  it.each(engines)('predict a batch in parts as its rows on %s', async (_name, create) => {
    await expectSamePartsOn(await create());
  });

  it(
    'learn whether the target was clicked before, which pooled items alone cannot tell',
    { tags: ['long'] },
    async () => {
      const labeled = (rows: number, seed: number): Batch => {
        const batch = batchOf(rows, seed);
        const { offsets, ids } = column(batch, 'clicked', 'list');
        const random = randomStream(seed, 'labels');
        const target = column(batch, 'target', 'u32').data;
        const labels = new Float32Array(rows);
        for (let b = 0; b < rows; b++) {
          const own = ids.subarray(offsets[b], offsets[b + 1]);
          if (own.length > 0 && random.uniform() < 0.5) target[b] = own[random.below(own.length)]!;
          labels[b] = own.includes(target[b]!) ? 1 : 0;
        }
        return withMaps(batch, { labels: new Map([['y', labels]]) });
      };
      const lossAfter = async (interest: Interest): Promise<number> => {
        const program = createCpuEngine().compile(planWith(interest));
        for (let seed = 0; seed < 600; seed++) await program.trainStep(labeled(512, seed));
        const { losses } = await program.evaluate(labeled(2000, 1000));
        program.dispose();
        return losses.get('ctr')!.mean;
      };
      const pooled = await lossAfter((g, _, items) => g.segmentPool(items, 'mean'));
      expect(await lossAfter(din)).toBeLessThan(0.9 * pooled);
    },
  );

  it('compile to calls that name their rows: items of the sequence, or rows of the batch', () => {
    const text = printProgram(compile(planWith(din)), 'train');
    expect(text).toMatch(/^gemm .*rows=items\(clicked\)/m);
    expect(text).toMatch(/^segmentSoftmax .*rows=batch/m);
    expect(text).toMatch(/^gatherGradients .*item ids clicked/m);
  });

  it('normalize by the items of all processes', () => {
    const text = printProgram(compile({ ...planWith(din), peers: { ...SINGLE_PROCESS, size: 2 } }), 'pass');
    const counts = [...text.matchAll(/allRows=(part of the rows(?:\[\d+\])?)/g)].map(([, at]) => at);
    expect(new Set(counts)).toEqual(new Set(['part of the rows[4]']));
  });
});

describe('a graph with sequences', () => {
  const start = () => {
    const g = new GraphBuilder();
    const [x, items] = [
      g.input({ kind: 'features', begin: 0 }, 4),
      g.input({ kind: 'items', field: 'a', table: 'item' }, 4),
    ];
    return { g, x, items, others: g.input({ kind: 'items', field: 'b', table: 'item' }, 4) };
  };

  it.each<[string, (parts: ReturnType<typeof start>) => unknown, string]>([
    ['adds rows and items', ({ g, x, items }) => g.add(x, items), 'add: rows of batch and items(a)'],
    [
      'adds items of two sequences',
      ({ g, items, others }) => g.add(items, others),
      'add: rows of items(a) and items(b)',
    ],
    [
      'pools rows',
      ({ g, x }) => g.segmentPool(x, 'sum'),
      'segmentPool: rows of the batch, expected items of a sequence',
    ],
    ['expands items', ({ g, items }) => g.expand(items, 'a'), 'expand: rows of items(a), expected batch'],
    ['sums items over the batch', ({ g, items }) => g.batchSum(items), 'batchSum: rows of items(a), expected batch'],
    [
      'attends to items of another sequence',
      ({ g, items, others }) => g.segmentAttention(items, others, others, { heads: 1, isCausal: false }),
      'segmentAttention: rows of items(a) and items(b)',
    ],
    [
      'attends to rows',
      ({ g, x }) => g.segmentAttention(x, x, x, { heads: 1, isCausal: false }),
      'segmentAttention: rows of the batch, expected items of a sequence',
    ],
    [
      'has heads of a part of a column',
      ({ g, items }) => g.segmentAttention(items, items, items, { heads: 3, isCausal: false }),
      'segmentAttention: 3 heads of width 4',
    ],
    [
      'attends to keys of another width',
      ({ g, items }) => g.segmentAttention(items, g.slice(items, 0, 2), items, { heads: 1, isCausal: false }),
      'segmentAttention: width is 2, expected 4',
    ],
    [
      'has octaves without ages',
      ({ g, items }) =>
        g.pointwiseAttention(items, items, items, { heads: 1, isCausal: false, octaves: 3 }, 'attention'),
      'pointwiseAttention: 3 octaves without ages',
    ],
    [
      'has states of a part of a panel',
      ({ g, items }) => g.segmentGru(g.concat([items, items, items]), 'gru'),
      'segmentGru: width is 12, expected a multiple of 24',
    ],
    [
      'reads rows with a recurrent unit',
      ({ g, x }) => g.segmentGru(x, 'gru'),
      'segmentGru: rows of the batch, expected items of a sequence',
    ],
    [
      'has attention of several columns',
      ({ g, items }) => g.segmentGru(g.linear(items, 24, 'inputs'), 'gru', items),
      'segmentGru attention: width is 4, expected 1',
    ],
    [
      'has attention of items of another sequence',
      ({ g, items, others }) => g.segmentGru(g.linear(items, 24, 'inputs'), 'gru', g.slice(others, 0, 1)),
      'segmentGru: rows of items(a) and items(b)',
    ],
    ['shifts by nothing', ({ g, items }) => g.shift(items, 0), 'shift by 0'],
  ])('is rejected if it %s', (_, build, message) => {
    expect(() => build(start())).toThrow(`graph: ${message}`);
  });

  it('may have any number of sequences', async () => {
    const sequences = Array.from({ length: 40 }, (_, s) =>
      sequenceLayout({ field: `s${s}`, table: 'item', width: WIDTH, maxItems: MAX_ITEMS }),
    );
    const plan = planOf({ ...LAYOUT, sequences }, poolAll(sequences.map(({ name }) => name)));
    const batch = batchOf(9, 4);
    const bags = new Map(sequences.map(({ name }) => [name, column(batch, 'clicked', 'list')]));
    const { losses } = await createCpuEngine().compile(plan).trainStep(withMaps(batch, { bags }));
    expect(losses.get('y')!.mean).toBeGreaterThan(0);
  });
});
