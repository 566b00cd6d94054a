/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { featureReaders } from '../../src/graph/feature-readers.js';
import { buildModel, listLookups, models } from '../../src/models/models.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { POOLINGS, withWidePart, type InputLayout } from '../../src/tables/layout.js';
import { byHand, dot, funnel, smallBatch, smallPlan, task } from '../support/by-hand.js';
import { engines } from '../support/engines.js';
import { expectLikeFloat64 } from '../support/like-float64.js';

const logit = (p: number): number => Math.log(p / (1 - p));
const compile = (plan: Plan): Program => createCpuEngine().compile(plan);

/** Copies the weights of one program to another; computes the others by a rule. */
function withWeightsOf(program: Program, other: Program, rest: (name: string, i: number) => number): void {
  const from = other.state().weights;
  const { weights } = program.state();
  program.restore({
    step: 0,
    optimizer: new Map(),
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        from.get(name) ?? { shape, data: data.map((_, i) => rest(name, i)) },
      ]),
    ),
  });
}

describe.each(models.names)('wide part of %s', (name) => {
  it('adds a weight per id and a weight per number to its heads only', async () => {
    const plain = compile(smallPlan({ name }, funnel, 2));
    const wide = compile(smallPlan({ name, wide: true }, funnel, 2));
    const batch = smallBatch();
    const before = await plain.predict(batch);

    withWeightsOf(wide, plain, () => 0);
    expect(await wide.predict(batch)).toEqual(before);

    // Each id has an element for ctr, then one for cvr.
    const isOf = (task: string, name: string, i: number): boolean =>
      name.startsWith('embeddings.wide.') ? i % 2 === ['ctr', 'cvr'].indexOf(task) : name === `wide.${task}.weight`;
    withWeightsOf(wide, plain, (name, i) => (isOf('ctr', name, i) ? 0.1 * (1 + Math.floor(i / 2)) : 0));
    const ofCtr = await wide.predict(batch);
    for (let row = 0; row < batch.rows; row++) {
      const added =
        0.1 *
        (1 +
          column(batch, 'user', 'u32').data[row]! +
          1 +
          column(batch, 'item', 'u32').data[row]! +
          column(batch, 'price', 'f32').data[row]!);
      expect(logit(ofCtr.get('ctr')![row]!) - logit(before.get('ctr')![row]!)).toBeCloseTo(added, 4);
    }
    withWeightsOf(wide, plain, (name, i) => (isOf('cvr', name, i) ? -1 : 0));
    const ofCvr = await wide.predict(batch);
    expect(ofCvr.get('ctr')).toEqual(before.get('ctr'));
    expect(ofCvr.get('cvr')!.some((p, row) => p !== before.get('cvr')![row])).toBe(true);
    for (const program of [plain, wide]) program.dispose();
  });

  it('trains with gradients that match double precision', async () => {
    const { program, plan, batch } = byHand({ name, wide: true }, funnel, 2);
    await expectLikeFloat64(program, plan, batch, 1e-3);
    const { gradients } = await program.inspect(batch);
    for (const table of ['embeddings.wide.user', 'embeddings.wide.item'])
      for (const t of [0, 1])
        expect(
          gradients.get(table)!.data.some((d, i) => i % 2 === t && d !== 0),
          `${table} ${t}`,
        ).toBe(true);
    program.dispose();
  });
});

describe('wide part', () => {
  it('reads its feature groups', () => {
    const tablesOf = (wide: unknown): readonly string[] =>
      smallPlan({ name: 'esmm', wide }).layout.tables.map(({ name }) => name);
    expect(tablesOf({ input: ['item'] })).toEqual(['user', 'item', 'wide.item']);
    expect(tablesOf({})).toEqual(['user', 'item', 'wide.user', 'wide.item']);
    expect(tablesOf(false)).toEqual(['user', 'item']);
    expect(
      smallPlan({ name: 'esmm', wide: { input: ['user'] } }).graph.parameters.some(({ name }) =>
        name.startsWith('wide.'),
      ),
    ).toBe(false);
  });

  it('has as many weights per id as the losses have outputs', async () => {
    const tasks = [
      task('ctr', { label: 'click' }),
      task('spend', { label: 'spend', type: 'regression', loss: { name: 'ziln' } }),
    ];
    const { program, plan, batch } = byHand(
      {
        name: 'mmoe',
        wide: true,
        gate: { batchNorm: false },
        experts: { count: 2, hidden: [3], batchNorm: false },
        tower: { hidden: [] },
      },
      tasks,
    );
    expect(plan.layout.tables.map(({ width }) => width)).toEqual([2, 3, 4, 4]);
    await expectLikeFloat64(program, plan, batch, 1e-4);
    program.dispose();
  });

  it('belongs to tasks: its number weights read columns, and its sums do not', () => {
    const readers = featureReaders(smallPlan({ name: 'esmm', wide: true }).graph);
    expect([...readers].filter((name) => name.includes('.out.'))).toEqual([]);
    expect(readers).toContain('wide.cvr.weight');
  });

  it('can be the whole model: a logistic regression', async () => {
    const model = byHand(
      { name: 'shared-bottom', wide: true, hidden: [1], batchNorm: false, tower: { hidden: [], batchNorm: false } },
      [funnel[0]!],
    );
    const { weights } = model.program.state();
    model.program.restore({
      step: 0,
      optimizer: new Map(),
      weights: new Map(
        [...weights].map(([name, { shape, data }]) => [
          name,
          { shape, data: name === 'towers.ctr.out.weight' ? new Float32Array(data.length) : data.slice() },
        ]),
      ),
    });
    const predicted = (await model.program.predict(model.batch)).get('ctr')!;
    const of = (name: string): readonly number[] => [...model.program.state().weights.get(name)!.data];
    for (let row = 0; row < model.batch.rows; row++) {
      const x = [1, 1, 1, column(model.batch, 'price', 'f32').data[row]!];
      const w = [
        of('towers.ctr.out.bias')[0]!,
        of('embeddings.wide.user')[column(model.batch, 'user', 'u32').data[row]!]!,
        of('embeddings.wide.item')[column(model.batch, 'item', 'u32').data[row]!]!,
        of('wide.ctr.weight')[0]!,
      ];
      expect(logit(predicted[row]!)).toBeCloseTo(dot(x, w), 4);
    }
    model.program.dispose();
  });
});

/**
 * Every kind of field with a table: ids, bags of every pooling, some of them in a shared table, and an interpolated
 * number.
 */
const features: InputLayout = {
  width: 2 * (3 + POOLINGS.length),
  tables: [
    { name: 'user', rows: 40, width: 2 },
    { name: 'item', rows: 30, width: 2 },
    { name: 'age', rows: 7, width: 2 },
  ],
  columns: [
    { field: 'user', offset: 0, width: 2, kind: 'id', table: 'user' },
    { field: 'item', offset: 2, width: 2, kind: 'id', table: 'item' },
    { field: 'age', offset: 4, width: 2, kind: 'bag', table: 'age', pooling: 'sum', isBetweenRows: true },
    ...POOLINGS.map((pooling, p) => ({
      field: `history ${pooling}`,
      offset: 6 + 2 * p,
      width: 2,
      kind: 'bag' as const,
      table: 'item',
      pooling,
    })),
  ],
};

function planOf(): Plan {
  const spec = models.schema.parse({ name: 'esmm', wide: true, ctrTower: { hidden: [5] }, cvrTower: { hidden: [5] } });
  const layout = withWidePart(features, listLookups(spec, funnel).wide!);
  const adam = denseOptimizers.schema.parse({ learningRate: 0.01 });
  return {
    graph: buildModel(spec, layout, funnel),
    layout,
    optimizers: { dense: adam, embeddings: { ...adam, lazy: true } },
    seed: 3,
  };
}

function batchOf(rows: number): Batch {
  const random = randomStream(rows, 'wide rows');
  const bag = () => {
    const offsets = Uint32Array.from(
      [0, ...Array.from({ length: rows }, () => random.below(5))],
      (
        (end) => (size) =>
          (end += size)
      )(0),
    );
    return {
      offsets,
      ids: Uint32Array.from({ length: offsets[rows]! }, () => random.below(30)),
      weights: Float32Array.from({ length: offsets[rows]! }, () => 0.1 + random.uniform()),
    };
  };
  const click = Float32Array.from({ length: rows }, () => random.below(2));
  return toBatch({
    rows,
    ids: new Map([
      ['user', Uint32Array.from({ length: rows }, () => random.below(40))],
      ['item', Uint32Array.from({ length: rows }, () => random.below(30))],
    ]),
    bags: new Map(POOLINGS.map((pooling) => [`history ${pooling}`, bag()])),
    numbers: new Map([['age', Float32Array.from({ length: rows }, () => 6 * random.uniform())]]),
    labels: new Map([
      ['click', click],
      ['purchase', click.map((y) => y * random.below(2))],
    ]),
  });
}

describe.each(engines)('wide part of every kind of field on the $name engine', ({ create }) => {
  it('matches double precision, also after training steps', async () => {
    const plan = planOf();
    const program = (await create()).compile(plan);
    for (let step = 0; step < 5; step++) await program.trainStep(batchOf(200 + step));
    await expectLikeFloat64(program, plan, batchOf(64), 2e-3);
    program.dispose();
  });
});

/** Changes the optimizer of wide tables, and adds clipping and EMA of all tables. */
function ruled(wide: object | undefined, step?: Plan['step']): Plan {
  const plan = planOf();
  return {
    ...plan,
    optimizers: { ...plan.optimizers, wide: wide === undefined ? undefined : embeddingOptimizerSchema.parse(wide) },
    ...(step !== undefined && { step }),
  };
}

describe.each(engines)('separate wide optimizer on the $name engine', ({ create }) => {
  it('updates the wide tables only', async () => {
    // This L1 penalty sets all weights to zero.
    const plan = ruled({ name: 'ftrl', l1: 1000 });
    const program = (await create()).compile(plan);
    const first = new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
    const batch = batchOf(300);
    for (let step = 0; step < 3; step++) await program.trainStep(batch);
    const { weights, optimizer } = program.state();
    const touched = new Set(column(batch, 'item', 'u32').data);
    const wide = weights.get('embeddings.wide.item')!.data;
    for (let row = 0; row < 30; row++) for (const t of [0, 1]) expect(wide[2 * row + t] === 0).toBe(touched.has(row));
    expect(weights.get('embeddings.item')!.data.some((w, i) => w !== first.get('embeddings.item')![i] && w !== 0)).toBe(
      true,
    );
    expect(
      [...optimizer.keys()].filter((name) => name.startsWith('embeddings.') && name.includes('user')).sort(),
    ).toEqual([
      'embeddings.user.firstMoment',
      'embeddings.user.secondMoment',
      'embeddings.wide.user.linear',
      'embeddings.wide.user.squares',
    ]);
    program.dispose();
  });

  it.each([
    ['unchanged options', {}],
    ['clipped gradients', { clip: { norm: 0.01, separate: false } }],
    ['separately clipped gradients', { clip: { norm: 0.01, separate: true } }],
    ['an EMA', { average: { decay: 0.9 } }],
  ] as const)('equal to that of the embeddings is bitwise identical, %s', async (_, step) => {
    const runs = [];
    for (const wide of [undefined, { learningRate: 0.01 }]) {
      const program = (await create()).compile(ruled(wide, step));
      for (let s = 0; s < 4; s++) await program.trainStep(batchOf(200 + s));
      runs.push(new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()])));
      program.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
  });
});

describe('wide part on the simd engine', () => {
  it('is bitwise identical for 1, 2 and 3 threads', async () => {
    const runs = [];
    for (const threads of [1, 2, 3]) {
      const program = createCpuEngine(threads, true, { isPatient: true }).compile(planOf());
      for (let step = 0; step < 30; step++) await program.trainStep(batchOf(300 + step));
      runs.push(new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()])));
      program.dispose();
    }
    for (const other of runs.slice(1)) expect(other).toEqual(runs[0]);
  });
});
