import { withMaps } from '../support/batches.js';
/** @module-tag long */
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { Engine, Plan, Program, ProgramState, StepPlan } from '../../src/engines/engine.js';
import { planSize } from '../../src/engines/plan-size.js';
import { compile } from '../../src/engines/compile/compile.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { twoTermBatch, twoTermPlan } from '../support/two-terms.js';
import { webGpuEngines } from '../support/webgpu.js';

const DECAY = 0.9;
const ADAM = { name: 'adam', learningRate: 0.05 };

/** A plan of two tables, one with bags, and batches so small that most rows are untouched. */
function planWith(step: StepPlan | undefined, lazy = true, dense = 'adam'): Plan {
  return {
    ...twoTermPlan([1, 2], step),
    optimizers: {
      dense: denseOptimizers.schema.parse({ ...ADAM, name: dense }),
      embeddings: embeddingOptimizerSchema.parse({ ...ADAM, lazy }),
    },
  };
}
const averaging = (lazy = true, dense = 'adam'): Plan => planWith({ average: { decay: DECAY } }, lazy, dense);
const batchAt = (step: number): Batch => twoTermBatch(4, step);

type Tensors = Map<string, Float32Array>;
const copied = (tensors: ProgramState['weights']): Tensors =>
  new Map([...tensors].map(([name, { data }]) => [name, data.slice()]));
const held = (program: Program): object => {
  const { step, weights, optimizer } = program.state();
  return { step, weights: copied(weights), optimizer: copied(optimizer) };
};
const stateOf = (program: Program): ProgramState => {
  const { step, weights, optimizer } = program.state();
  const copy = (tensors: ProgramState['weights']): ProgramState['weights'] =>
    new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  return { step, weights: copy(weights), optimizer: copy(optimizer) };
};
async function take(program: Program, from: number, to: number): Promise<void> {
  for (let step = from; step < to; step++) await program.trainStep(batchAt(step));
}

/** Averages the weights after each step in double precision. */
function createReference(): (weights: Tensors) => Map<string, Float64Array> {
  const sums = new Map<string, Float64Array>();
  let total = 0;
  return (weights) => {
    total = DECAY * total + 1;
    for (const [name, data] of weights) {
      const sum = sums.get(name) ?? new Float64Array(data.length);
      sums.set(
        name,
        sum.map((s, i) => DECAY * s + data[i]!),
      );
    }
    return new Map([...sums].map(([name, sum]) => [name, sum.map((s) => s / total)]));
  };
}

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine(1))],
  ['simd, portable', () => Promise.resolve(createCpuEngine(1, false))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];

/**
 * Compares predictions bitwise, or nearly for a device: it updates averages in single precision, and this machine in
 * double precision.
 */
const alike = (engine: string, expected: ReadonlyMap<string, Float32Array>): ReadonlyMap<string, unknown> =>
  engine !== 'webgpu'
    ? expected
    : new Map(
        [...expected].map(([name, values]) => [
          name,
          expect.toSatisfy((found: Float32Array) =>
            found.every((value, i) => Math.abs(value - values[i]!) < 1e-6),
          ) as unknown,
        ]),
      );

describe.each(engines)('the EMA of weights (%s)', (name, engineOf) => {
  it.each([
    ['lazy', true],
    ['not lazy', false],
  ] as const)(
    'averages the weights after each step, in %s tables too, and leaves training unchanged',
    async (_name, lazy) => {
      const engine = await engineOf();
      const [plain, program] = [engine.compile(planWith(undefined, lazy)), engine.compile(averaging(lazy))];
      const reference = createReference();
      const first = copied(program.state().weights);
      expect(first).toEqual(copied(plain.state().weights));
      let moved = 0;
      for (let step = 0; step < 40; step++) {
        await plain.trainStep(batchAt(step));
        await program.trainStep(batchAt(step));
        const trained = copied(plain.state().weights);
        const { weights, optimizer } = program.state();
        const expected = reference(trained);
        for (const [name, { data }] of weights) {
          expect(optimizer.get(`${name}.trained`)!.data, name).toEqual(trained.get(name)!);
          data.forEach((value, i) =>
            expect(Math.abs(value - expected.get(name)![i]!), `${name}[${i}] after ${step + 1} steps`).toBeLessThan(
              1e-6,
            ),
          );
          data.forEach((value, i) => (moved = Math.max(moved, Math.abs(value - trained.get(name)![i]!))));
        }
      }
      expect(moved).toBeGreaterThan(0.05);
      for (const each of [plain, program]) each.dispose();
    },
  );

  it('leaves rows outside all batches bitwise identical to their initial weights', async () => {
    const program = (await engineOf()).compile(averaging());
    const first = copied(program.state().weights).get('embeddings.item')!;
    for (let step = 0; step < 3; step++)
      await program.trainStep(
        withMaps(batchAt(step), {
          ids: new Map([
            ['seen', new Uint32Array(4)],
            ['item', new Uint32Array(4).fill(1)],
          ]),
        }),
      );
    const width = first.length / 40;
    expect(
      program
        .state()
        .weights.get('embeddings.item')!
        .data.subarray(2 * width),
    ).toEqual(first.subarray(2 * width));
    expect(
      program
        .state()
        .weights.get('embeddings.item')!
        .data.subarray(0, 2 * width),
    ).not.toEqual(first.subarray(0, 2 * width));
    program.dispose();
  });

  it('is used for predictions only within `averaged`', async () => {
    const engine = await engineOf();
    const [program, plain] = [engine.compile(averaging()), engine.compile(planWith(undefined))];
    await take(program, 0, 20);
    const rows = twoTermBatch(50, 99);
    const predicted = async (weights: ProgramState['weights']): Promise<ReadonlyMap<string, Float32Array>> => {
      plain.restore({ step: 0, weights, optimizer: new Map() });
      return plain.predict(rows);
    };
    const { weights, optimizer } = stateOf(program);
    const trained = new Map([...weights.keys()].map((name) => [name, optimizer.get(`${name}.trained`)!]));
    expect(await program.averaged(() => program.predict(rows))).toEqual(alike(name, await predicted(weights)));
    expect(await program.predict(rows)).toEqual(await predicted(trained));
    expect(await predicted(trained)).not.toEqual(await predicted(weights));
    for (const each of [plain, program]) each.dispose();
  });

  it('restores the training weights if work with the EMA fails, and training continues', async () => {
    const engine = await engineOf();
    const [program, spared] = [engine.compile(averaging()), engine.compile(averaging())];
    for (const each of [program, spared]) await take(each, 0, 5);
    await expect(program.averaged(() => Promise.reject(new Error('no more')))).rejects.toThrow('no more');
    await spared.averaged(() => Promise.resolve());
    for (const each of [program, spared]) await take(each, 5, 12);
    expect(held(program)).toEqual(held(spared));
    for (const each of [program, spared]) each.dispose();
  });

  it.each([
    ['lazy', true],
    ['not lazy', false],
  ] as const)('resumes bitwise identically from a saved state, with %s tables', async (_name, lazy) => {
    const engine = await engineOf();
    const straight = engine.compile(averaging(lazy));
    await take(straight, 0, 7);
    const resumed = engine.compile(averaging(lazy));
    resumed.restore(stateOf(straight));
    expect(held(resumed)).toEqual(held(straight));
    for (const each of [straight, resumed]) await take(each, 7, 20);
    expect(held(resumed)).toEqual(held(straight));
    for (const each of [straight, resumed]) await each.averaged(() => Promise.resolve());
    expect(held(resumed)).toEqual(held(straight));
    for (const each of [straight, resumed]) each.dispose();
  });

  it('restarts from weights that are restored without an EMA', async () => {
    const engine = await engineOf();
    const program = engine.compile(averaging());
    const given = new Map(
      [...program.state().weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((_w, i) => Math.sin(i)) },
      ]),
    );
    await take(program, 0, 5);
    program.restore({ step: 5, weights: given, optimizer: new Map() });
    expect(copied(program.state().weights)).toEqual(copied(given));
    expect(await program.averaged(() => program.predict(batchAt(1)))).toEqual(await program.predict(batchAt(1)));
    program.dispose();
  });

  it('is unchanged after a skipped step', async () => {
    const program = (await engineOf()).compile(averaging());
    await take(program, 0, 5);
    const before = held(program);
    const batch = batchAt(5);
    const { losses } = await program.trainStep(
      withMaps(batch, {
        numbers: new Map([['price', new Float32Array(4).fill(NaN)]]),
      }),
    );
    expect([...losses.values()].some(({ mean }) => Number.isFinite(mean))).toBe(false);
    expect(held(program)).toEqual(before);
    program.dispose();
  });

  it('counts toward the memory of a plan', async () => {
    const engine = await engineOf();
    const [plain, averaged] = [planSize(planWith(undefined), engine, 0), planSize(averaging(), engine, 0)];
    expect(averaged.optimizerBytes - plain.optimizerBytes).toBe(
      4 * (plain.numWeights + plain.numTableWeights + plain.numTableRows),
    );
    expect(Math.abs(averaged.activationBytes - plain.activationBytes)).toBeLessThan(512);
    expect(averaged.weightBytes).toBe(plain.weightBytes);
  });
});

describe('the EMA of weights', () => {
  // One worker updates all of a tensor by LAMB, independent of the EMA.
  it.each([
    ['lazy', 'adam', true],
    ['not lazy', 'lamb', false],
  ] as const)('is bitwise identical for any number of threads, with %s tables and %s', async (_name, dense, lazy) => {
    const runs: object[] = [];
    for (const threads of [1, 2, 4]) {
      const program = createCpuEngine(threads, true, { isPatient: true }).compile(averaging(lazy, dense));
      await take(program, 0, 10);
      await program.averaged(() => program.predict(batchAt(99)));
      await take(program, 10, 20);
      runs.push(held(program));
      program.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  it('adds one call per table and one for dense weights, and none without an EMA', () => {
    const kernelsOf = (plan: Plan): readonly string[] => compile(plan).lists.train.map(({ kernel }) => kernel);
    const withAverage = kernelsOf(averaging());
    expect(withAverage.filter((kernel) => kernel.startsWith('average'))).toEqual([
      'averageRows',
      'averageRows',
      'averageWeights',
    ]);
    expect(withAverage.filter((kernel) => !kernel.startsWith('average'))).toEqual([
      ...kernelsOf(planWith(undefined)),
      'barrier',
    ]);
  });

  it('is bitwise identical if it is saved before or after lazy rows are updated', async () => {
    const program = createCpuEngine(1).compile(averaging());
    await take(program, 0, 30);
    const before = copied(program.state().weights);
    await program.averaged(() => Promise.resolve());
    expect(copied(program.state().weights)).toEqual(before);
    program.dispose();
  });
});
