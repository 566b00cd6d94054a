/** @module-tag long */
import { toBatch, withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch, BagColumn } from '../../src/core/batch.js';
import { POOLINGS, type InputLayout } from '../../src/tables/layout.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { tower } from '../../src/graph/mlp.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { planOf } from '../support/graph-plan.js';
import { engines } from '../support/engines.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { createTfjsEngine } from '../support/tfjs.js';

// Kernels process sixteen columns at a time, then four, then one.
const WIDTH = 22;
const SIZES = { item: 30, mean: 20, sqrtn: 25 };

/** An id and a bag that share a table, a bag with its own table for each other pooling, and a number. */
const layout: InputLayout = {
  width: 4 * WIDTH + 1,
  tables: Object.entries(SIZES).map(([name, rows]) => ({ name, rows, width: WIDTH })),
  columns: [
    { field: 'seen', offset: 0, width: WIDTH, kind: 'bag', table: 'item', pooling: 'sum' },
    { field: 'price', offset: WIDTH, width: 1, kind: 'number' },
    { field: 'item', offset: WIDTH + 1, width: WIDTH, kind: 'id', table: 'item' },
    { field: 'mean', offset: 2 * WIDTH + 1, width: WIDTH, kind: 'bag', table: 'mean', pooling: 'mean' },
    { field: 'sqrtn', offset: 3 * WIDTH + 1, width: WIDTH, kind: 'bag', table: 'sqrtn', pooling: 'sqrtn' },
  ],
};

/** Rows with bags of 0 to `most` items, with repeated ids within a bag. */
function batchOf(rows: number, most = 6, seed = 1): Batch {
  const random = randomStream(seed, 'bags');
  const floats = (draw: () => number): Float32Array => Float32Array.from({ length: rows }, draw);
  const bag = (size: number): BagColumn => {
    const offsets = new Uint32Array(rows + 1);
    for (let b = 0; b < rows; b++) offsets[b + 1] = offsets[b]! + (b % 5 === 4 ? 0 : random.below(most + 1));
    // More capacity than items, as reused memory has.
    const room = offsets[rows]! + 3;
    return {
      type: 'list',
      offsets,
      ids: Uint32Array.from({ length: room }, () => random.below(size)),
      weights: Float32Array.from({ length: room }, () => (random.uniform() < 0.1 ? 0 : 2 * random.uniform())),
    };
  };
  return toBatch({
    rows,
    ids: new Map([['item', Uint32Array.from({ length: rows }, () => random.below(SIZES.item))]]),
    numbers: new Map([['price', floats(() => random.normal())]]),
    bags: new Map([
      ['seen', bag(SIZES.item)],
      ['mean', bag(SIZES.mean)],
      ['sqrtn', bag(SIZES.sqrtn)],
    ]),
    labels: new Map([['y', floats(() => Number(random.uniform() < 0.5))]]),
  });
}

/**
 * A tower over the layout. Its epsilon exceeds rounding, it has no kink, and its embeddings are large enough to compare
 * engines.
 */
function plan(dropout = 0): Plan {
  const made = planOf(layout, (g, input, y) => {
    const out = tower(g, input, { hidden: [32], activation: 'tanh', dropout, batchNorm: true }, 't');
    return {
      predictions: { p: g.activation(out, 'sigmoid', 'p') },
      terms: [{ name: 'p', weight: 1, loss: g.binaryCrossEntropy(out, y) }],
    };
  });
  const steady = { learningRate: 0.01, epsilon: 1e-3 };
  return {
    ...made,
    optimizers: { dense: denseOptimizers.schema.parse(steady), embeddings: embeddingOptimizerSchema.parse(steady) },
  };
}

/** Sets the same weights in every program, with larger embeddings than the initial ones. */
function start(program: Program): Program {
  const random = randomStream(3, 'start');
  const weights = new Map(
    [...program.state().weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: name.startsWith('embeddings.') ? data.map(() => random.normal() / 3) : data.slice() },
    ]),
  );
  program.restore({ step: 0, weights, optimizer: new Map() });
  return program;
}

const weightsOf = (program: Program): Map<string, Float32Array> =>
  new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
const distance = (a: Float32Array, b: Float32Array): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

for (const { name, create } of engines) {
  describe(`bags on the ${name} engine`, () => {
    for (const pooling of POOLINGS) {
      it(`have the gradients of the double-precision pass if pooled by ${pooling}`, async () => {
        const one: InputLayout = {
          width: 2 * WIDTH,
          tables: [{ name: 'item', rows: SIZES.item, width: WIDTH }],
          columns: [
            { field: 'item', offset: 0, width: WIDTH, kind: 'id', table: 'item' },
            { field: 'seen', offset: WIDTH, width: WIDTH, kind: 'bag', table: 'item', pooling },
          ],
        };
        const plan = planOf(one, (g, input, y) => {
          const out = g.linear(g.activation(g.linear(input, 5, 'a'), 'tanh', 't'), 1, 'out');
          return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
        });
        await expectLikeFloat64(start((await create()).compile(plan)), plan, batchOf(9), 2e-5);
      });

      it(`are pooled by the formula of ${pooling}, and to zeros if empty`, async () => {
        const one: InputLayout = {
          width: 2,
          tables: [{ name: 't', rows: 3, width: 2 }],
          columns: [{ field: 'f', offset: 0, width: 2, kind: 'bag', table: 't', pooling }],
        };
        const program = (await create()).compile(
          planOf(one, (g, input, y) => ({
            predictions: { first: g.slice(input, 0, 1), second: g.slice(input, 1, 1) },
            terms: [{ name: 'p', weight: 1, loss: g.squaredError(g.linear(input, 1, 'l'), y) }],
          })),
        );
        const weights = new Map(program.state().weights);
        weights.set('embeddings.t', { shape: [3, 2], data: Float32Array.of(1, 10, 2, 20, 4, 40) });
        program.restore({ step: 0, weights, optimizer: new Map() });
        const bags = new Map([
          [
            'f',
            {
              offsets: Uint32Array.of(0, 3, 3, 5, 6),
              ids: Uint32Array.of(0, 2, 2, 1, 0, 1),
              weights: Float32Array.of(1, 2, 1, 0, 0, 1e-30),
            },
          ],
        ]);
        const predicted = await program.predict(
          toBatch({
            rows: 4,
            bags,
          }),
        );
        const sum = 1 * 1 + 2 * 4 + 1 * 4;
        const [first, tiny] = { sum: [sum, 2e-30], mean: [sum / 4, 2], sqrtn: [sum / Math.sqrt(6), 2] }[pooling] as [
          number,
          number,
        ];
        [first, 0, 0, tiny].forEach((expected, b) => {
          expect(predicted.get('first')![b]).toBeCloseTo(expected, 5);
          expect(predicted.get('second')![b]).toBeCloseTo(10 * expected, 4);
        });
      });
    }
  });
}

describe('the engines', () => {
  for (const lazy of [true, false]) {
    it(`agree after 50 steps with bags and a shared table, lazy: ${lazy}`, async () => {
      const base = plan();
      const whole = {
        ...base,
        optimizers: { ...base.optimizers, embeddings: { ...base.optimizers.embeddings, lazy } },
      };
      const ends = [];
      for (const engine of [
        await createTfjsEngine(),
        createCpuEngine(2, true, { isPatient: true }),
        createCpuEngine(1, false),
      ]) {
        const program = start(engine.compile(whole));
        for (let step = 0; step < 50; step++) await program.trainStep(batchOf(64, 6, step));
        ends.push({ weights: weightsOf(program), predicted: (await program.predict(batchOf(64))).get('p')! });
        program.dispose();
      }
      const [oracle, ...others] = ends;
      for (const { weights, predicted } of others) {
        for (const [tensor, expected] of oracle!.weights)
          expect(distance(expected, weights.get(tensor)!), tensor).toBeLessThanOrEqual(1e-5);
        expect(distance(oracle!.predicted, predicted)).toBeLessThanOrEqual(1e-5);
      }
    });
  }
});

describe('the simd engine with bags', () => {
  it('has bitwise identical weights for 1, 2, 3 and 4 threads', async () => {
    const runs = [];
    for (const threads of [1, 2, 3, 4]) {
      const program = start(createCpuEngine(threads, true, { isPatient: true }).compile(plan(0.2)));
      for (let step = 0; step < 60; step++) await program.trainStep(batchOf(1000, 6, step % 10));
      runs.push(weightsOf(program));
      program.dispose();
    }
    const [one, ...others] = runs;
    for (const other of others) expect(other).toEqual(one);
  });

  it('accepts batches with more items than before, and predicts more rows than planned', async () => {
    const program = start(createCpuEngine(2, true, { isPatient: true }).compile(plan()));
    const oracle = start((await createTfjsEngine()).compile(plan()));
    for (const most of [3, 1000, 2]) {
      for (const each of [program, oracle]) await each.trainStep(batchOf(700, most, most));
    }
    for (const [tensor, expected] of weightsOf(oracle))
      expect(distance(expected, weightsOf(program).get(tensor)!), tensor).toBeLessThanOrEqual(1e-4);
    const many = batchOf(2500, 5);
    const [found, expected] = [await program.predict(many), await oracle.predict(many)].map((all) => all.get('p')!);
    expect(distance(found!, expected!)).toBeLessThanOrEqual(1e-4);
    program.dispose();
  });

  it('rejects a batch that exceeds one memory, and names the fields with the most items', async () => {
    const program = createCpuEngine().compile(plan());
    const empty = { offsets: Uint32Array.of(0, 0), ids: new Uint32Array(0), weights: new Float32Array(0) };
    const full = { ...empty, offsets: Uint32Array.of(0, 600_000_000) };
    const batch = withMaps(batchOf(1), {
      bags: new Map([
        ['seen', empty],
        ['mean', full],
        ['sqrtn', empty],
      ]),
    });
    const error = await Promise.resolve()
      .then(() => program.trainStep(batch))
      .then(
        () => undefined,
        (caught: unknown) => caught,
      );
    expect(String(error)).toMatch(
      /features: the bags of a batch of 1 rows exceed the 4 GiB of a WebAssembly memory by \d+ MiB .*'mean' with 600000000, .*; set maxItems/,
    );
  });
});
