import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sliceRows, type Batch } from '../../src/core/batch.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';
import { randomStream } from '../../src/core/random.js';
import { printProgram } from '../../src/engines/compile/print.js';
import { compile } from '../../src/engines/compile/compile.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan } from '../../src/engines/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { SEGMENT_POOLINGS } from '../../src/graph/operations.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { planOf } from '../support/graph-plan.js';
import { batchOf, CASES, din, LAYOUT, planWith, WIDTH, type Interest } from '../support/sequences.js';

describe('operations on the items of a sequence', () => {
  it.each(Object.entries(CASES))('equal float64: %s', async (_, interest) => {
    const plan = planWith(interest);
    const program = createCpuEngine().compile(plan);
    // Initial embeddings are so small that batch norm amplifies their rounding.
    const random = randomStream(3, 'embeddings');
    const { weights } = program.state();
    const large = Float32Array.from({ length: 40 * WIDTH }, () => random.normal());
    const embeddings = { shape: [40, WIDTH], data: large };
    program.restore({ step: 0, weights: new Map([...weights, ['embeddings.item', embeddings]]), optimizer: new Map() });
    await expectLikeFloat64(program, plan, batchOf(20, 1), 2e-5);
    program.dispose();
  });

  it('give zeros to a row without items', async () => {
    const plan = planOf(LAYOUT, (g, input, y) => {
      const items = g.input({ kind: 'items', field: 'clicked' }, WIDTH);
      const ones = g.affine(g.slice(items, 0, 1), 0, 1);
      const counts = SEGMENT_POOLINGS.map((of) => [of, g.segmentPool(ones, of)] as const);
      const loss = g.squaredError(g.linear(input, 1, 'out'), y);
      return { predictions: Object.fromEntries(counts), terms: [{ name: 'y', weight: 1, loss }] };
    });
    const batch = batchOf(9, 2);
    const predictions = await createCpuEngine().compile(plan).predict(batch);
    const { offsets } = batch.bags.get('clicked')!;
    const counts = Array.from({ length: 9 }, (_, b) => offsets[b + 1]! - offsets[b]!);
    expect([...predictions.get('sum')!]).toEqual(counts);
    for (const of of ['mean', 'max']) expect([...predictions.get(of)!]).toEqual(counts.map((n) => Math.min(n, 1)));
  });

  it('train to bitwise identical weights for 1, 2 and 3 threads, in one pass and in several', async () => {
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

  it('predict a batch in parts as its rows', async () => {
    const program = createCpuEngine().compile(planWith(din));
    const [rows, begin] = [2500, 2000];
    const batch = batchOf(rows, 5);
    const all = (await program.predict(batch)).get('p')!;
    const rest = (await program.predict(sliceRows(batch, begin, rows))).get('p')!;
    expect(new Set(all).size).toBeGreaterThan(1000);
    expect([...rest]).toEqual([...all.subarray(begin)]);
  });

  it('learn whether the target was clicked before, which pooled items alone cannot tell', async () => {
    const labeled = (rows: number, seed: number): Batch => {
      const batch = batchOf(rows, seed);
      const { offsets, ids } = batch.bags.get('clicked')!;
      const random = randomStream(seed, 'labels');
      const target = batch.ids.get('target')!;
      const labels = new Float32Array(rows);
      for (let b = 0; b < rows; b++) {
        const own = ids.subarray(offsets[b], offsets[b + 1]);
        if (own.length > 0 && random.uniform() < 0.5) target[b] = own[random.below(own.length)]!;
        labels[b] = own.includes(target[b]!) ? 1 : 0;
      }
      return { ...batch, labels: new Map([['y', labels]]) };
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
  });

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
    const [x, items] = [g.input({ kind: 'features' }, 4), g.input({ kind: 'items', field: 'a' }, 4)];
    return { g, x, items, others: g.input({ kind: 'items', field: 'b' }, 4) };
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
    ['shifts by nothing', ({ g, items }) => g.shift(items, 0), 'shift by 0'],
  ])('is rejected if it %s', (_, build, message) => {
    expect(() => build(start())).toThrow(`graph: ${message}`);
  });

  it('is rejected with more sequences than a command has words for', () => {
    const sequences = Array.from({ length: 32 }, (_, s) => ({
      field: `s${s}`,
      table: 'item',
      width: WIDTH,
      maxItems: 1,
    }));
    const plan = planOf({ ...LAYOUT, sequences }, (g, input, y) => {
      const out = g.linear(input, 1, 'out');
      return { predictions: { p: out }, terms: [{ name: 'y', weight: 1, loss: g.squaredError(out, y) }] };
    });
    expect(() => createCpuEngine().compile(plan)).toThrow('32 sequences; at most 31 are supported');
  });

  it('is rejected by engines without kernels for sequences', async () => {
    const { createTfjsEngine } = await import('../../src/engines/tfjs/engine.js');
    const engine = await createTfjsEngine();
    expect(() => engine.compile(planWith(din))).toThrow("TensorFlow.js has no kernels for sequences such as 'clicked'");
  });
});
