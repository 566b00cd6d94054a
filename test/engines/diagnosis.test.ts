import { withMaps } from '../support/batches.js';
/** @module-tag long */
import { column } from '../../src/core/batch.js';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/engines/diagnosis.js';
import type {
  Engine,
  Inspection,
  Plan,
  Program,
  StepPlan,
  StepResult,
  StepSettings,
} from '../../src/engines/engine.js';
import { compile } from '../../src/engines/compile/compile.js';
import { planCpuMemory } from '../../src/engines/cpu/memory.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { twoTermBatch, twoTermPlan } from '../support/two-terms.js';
import { webGpuEngines } from '../support/webgpu.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine(1))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];

const DIAGNOSED = { isDiagnosed: true } as const;

/** A plan of two terms, with a gate over three experts before the first. */
function gatedPlan(step?: StepPlan, batchRows?: number): Plan {
  const plan = twoTermPlan([2, 3], step, batchRows);
  const g = new GraphBuilder();
  const x = lookUp(g, plan.layout.columns);
  const [click, buy] = ['click', 'buy'].map((column) => g.input({ kind: 'label', column }, 1));
  const h = g.activation(g.batchNorm(g.linear(x, 6, 'shared.0'), 'shared.0.norm'), 'tanh', 'shared.0.activation');
  const experts = ['one', 'two', 'three'];
  const shares = g.softmax(g.linear(x, 3, 'gate'));
  const mixed = g.dropout(
    g.mixture(
      shares,
      experts.map((name) => g.linear(h, 4, name)),
    ),
    0.3,
    'dropped',
  );
  const first = g.linear(mixed, 1, 'a.out');
  const second = g.linear(h, 1, 'b.out');
  const terms = [
    { name: 'ctr', loss: g.binaryCrossEntropy(first, click!), weight: 2 },
    { name: 'cvr', loss: g.squaredError(second, buy!, { mask: click }), weight: 3 },
  ];
  const predictions = new Map([
    ['ctr', first],
    ['cvr', second],
  ]);
  return {
    ...plan,
    graph: {
      values: g.values,
      parameters: g.parameters,
      terms,
      predictions,
      gates: new Map([['ctr', { shares, experts }]]),
    },
  };
}

/** Large initial embeddings, so that gradients are large, too. */
function compiled(engine: Engine, plan: Plan): Program {
  const program = engine.compile(plan);
  const { step, weights } = program.state();
  program.restore({
    step,
    optimizer: new Map(),
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((w) => (name.startsWith('embeddings.') ? 3000 * w : w)) },
      ]),
    ),
  });
  return program;
}

const weightsOf = (program: Program): Map<string, Float32Array> =>
  new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));

/** Computes the gradients of a weighted sum of the terms with another program. */
async function inspected(engine: Engine, plan: Plan, weights: readonly number[], rows: number): Promise<Inspection> {
  const program = compiled(engine, {
    ...plan,
    step: {},
    batchRows: rows,
    graph: { ...plan.graph, terms: plan.graph.terms.map((term, t) => ({ ...term, weight: weights[t]! })) },
  });
  const found = await program.inspect(twoTermBatch(rows));
  program.dispose();
  return found;
}

const layerOf = (name: string): string => (name.startsWith('embeddings.') ? name : name.replace(/\.[^.]*$/, ''));
/** Computes norms by layer from tensors. */
function norms(tensors: Iterable<readonly [string, Float32Array]>): Map<string, number> {
  const squares = new Map<string, number>();
  for (const [name, data] of tensors)
    squares.set(layerOf(name), (squares.get(layerOf(name)) ?? 0) + data.reduce((sum, value) => sum + value * value, 0));
  return new Map([...squares].map(([layer, square]) => [layer, Math.sqrt(square)]));
}
const dot = (a: Inspection, b: Inspection, choose: (name: string) => boolean): number =>
  [...a.gradients]
    .filter(([name]) => choose(name))
    .reduce((sum, [name, { data }]) => sum + data.reduce((s, g, i) => s + g * b.gradients.get(name)!.data[i]!, 0), 0);

const isShared = (name: string): boolean => name.startsWith('shared') || name.startsWith('embeddings.');

/** Takes a diagnosed step, and computes its updates. */
async function diagnosed(
  engine: Engine,
  plan: Plan,
  rows: number,
  settings?: StepSettings,
): Promise<{ readonly diagnosis: Diagnosis; readonly moved: Map<string, number> }> {
  const program = compiled(engine, plan);
  const before = weightsOf(program);
  const { diagnosis } = await program.trainStep(twoTermBatch(rows), { ...settings, ...DIAGNOSED });
  const trained = [...weightsOf(program)].filter(([name]) => !name.includes('.running'));
  const moved = norms(trained.map(([name, after]) => [name, after.map((w, i) => w - before.get(name)![i]!)] as const));
  program.dispose();
  return { diagnosis: diagnosis!, moved };
}

function expectNorms(found: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>): void {
  for (const [layer, norm] of found) expect(norm / expected.get(layer)!, layer).toBeCloseTo(1, 4);
}

describe.each(engines)('the diagnosis of a step (%s)', (_, engineOf) => {
  it('reports products between the gradients of terms, and gradient and update norms by layer', async () => {
    const engine = await engineOf();
    for (const step of [DIAGNOSED, { ...DIAGNOSED, clip: { norm: 0.01, separate: false } }]) {
      const plan = gatedPlan(step);
      const alone = [await inspected(engine, plan, [1, 0], 60), await inspected(engine, plan, [0, 1], 60)] as const;
      const { diagnosis, moved } = await diagnosed(engine, plan, 60);
      for (const [i, a] of alone.entries())
        for (const [j, b] of alone.entries())
          expect(diagnosis.gramian[2 * i + j]! / dot(a, b, isShared)).toBeCloseTo(1, 4);
      const { gradients } = await inspected(engine, plan, [2, 3], 60);
      expect([...diagnosis.layers.keys()].sort()).toEqual([
        'a.out',
        'b.out',
        'embeddings.item',
        'embeddings.tags',
        'gate',
        'one',
        'shared.0',
        'shared.0.norm',
        'three',
        'two',
      ]);
      expectNorms(
        new Map([...diagnosis.layers].map(([layer, { gradient }]) => [layer, gradient])),
        norms([...gradients].map(([name, { data }]) => [name, data] as const)),
      );
      expectNorms(new Map([...diagnosis.layers].map(([layer, { update }]) => [layer, update])), moved);
    }
  });

  it('weights shared gradients by the combined term weights, and others by their own term weight', async () => {
    const engine = await engineOf();
    const { diagnosis } = await diagnosed(engine, gatedPlan({ ...DIAGNOSED, combinesTerms: true }), 60, {
      combine: () => [0.5, -1.5],
    });
    const [shared, own] = [
      await inspected(engine, gatedPlan(), [0.5, -1.5], 60),
      await inspected(engine, gatedPlan(), [2, 3], 60),
    ];
    const expected = norms(
      [...shared.gradients].map(
        ([name, { data }]) => [name, isShared(name) ? data : own.gradients.get(name)!.data] as const,
      ),
    );
    expectNorms(new Map([...diagnosis.layers].map(([layer, { gradient }]) => [layer, gradient])), expected);
  });

  it('covers all rows if a step has several passes', async () => {
    const engine = await engineOf();
    // Batch norms and masks depend on the pass, so the plan has none.
    const whole = await diagnosed(engine, twoTermPlan([1, 2], DIAGNOSED, 150), 150);
    const parts = await diagnosed(engine, twoTermPlan([1, 2], { ...DIAGNOSED, rows: 150 }, 40), 150);
    whole.diagnosis.gramian.forEach((product, i) => expect(parts.diagnosis.gramian[i]! / product).toBeCloseTo(1, 4));
    for (const [layer, { gradient, update }] of whole.diagnosis.layers) {
      expect(parts.diagnosis.layers.get(layer)!.gradient / gradient).toBeCloseTo(1, 4);
      expect(parts.diagnosis.layers.get(layer)!.update / update).toBeCloseTo(1, 3);
    }
  });

  it('reports the mean share of each expert and the entropy of the gate over all rows', async () => {
    const engine = await engineOf();
    const { diagnosis } = await diagnosed(engine, gatedPlan(DIAGNOSED), 60);
    // The same graph with shares as predictions.
    const plan = gatedPlan();
    const g = new GraphBuilder();
    g.values.push(...plan.graph.values);
    const { shares } = plan.graph.gates!.get('ctr')!;
    const columns = [0, 1, 2].map((e) => g.slice(shares, e, 1));
    const program = compiled(engine, {
      ...plan,
      graph: { ...plan.graph, values: g.values, predictions: new Map(columns.map((column, e) => [String(e), column])) },
    });
    const predicted = [...(await program.predict(twoTermBatch(60))).values()];
    program.dispose();
    const { means, entropy } = diagnosis.gates.get('ctr')!;
    predicted.forEach((column, e) =>
      expect(means[e]).toBeCloseTo(column.reduce((sum, share) => sum + share, 0) / 60, 5),
    );
    let expected = 0;
    for (let b = 0; b < 60; b++) for (const column of predicted) expected -= (column[b]! * Math.log(column[b]!)) / 60;
    expect(entropy).toBeCloseTo(expected, 5);
  });

  it('leaves all steps bitwise identical', async () => {
    const engine = await engineOf();
    for (const step of [{}, { combinesTerms: true }, { rows: 60 }]) {
      const ends = [];
      for (const isDiagnosed of [false, true]) {
        const program = compiled(engine, gatedPlan({ ...step, isDiagnosed }, 'rows' in step ? 25 : 64));
        for (let s = 0; s < 6; s++)
          await program.trainStep(twoTermBatch(60, s), {
            combine: (losses, gramian) => [losses[0]!, gramian[0]!],
            isDiagnosed: isDiagnosed && s % 2 === 0,
          });
        ends.push(weightsOf(program));
        program.dispose();
      }
      expect(ends[1]).toEqual(ends[0]);
    }
  });

  it('is undefined for a skipped step, or if not requested', async () => {
    const program = compiled(await engineOf(), gatedPlan(DIAGNOSED));
    const batch = twoTermBatch(60);
    const spoiled = withMaps(batch, {
      numbers: new Map([['price', column(batch, 'price', 'f32').data.map((x, i) => (i === 7 ? NaN : x))]]),
    });
    const results: StepResult[] = [
      await program.trainStep(spoiled, DIAGNOSED),
      await program.trainStep(batch),
      await program.trainStep(batch, DIAGNOSED),
    ];
    program.dispose();
    expect(results.map(({ diagnosis }) => diagnosis !== undefined)).toEqual([false, false, true]);
  });
});

describe('a plan without diagnosis', () => {
  it('has the calls of one with diagnosis, and less memory', () => {
    for (const step of [{}, { combinesTerms: true }]) {
      const [plain, rich] = [compile(gatedPlan(step)), compile(gatedPlan({ ...step, isDiagnosed: true }))];
      for (const name of ['train', 'pass', 'products', 'update'] as const)
        expect(rich.lists[name].map(({ kernel }) => kernel)).toEqual(plain.lists[name].map(({ kernel }) => kernel));
      expect(plain.lists.diagnosis).toEqual([]);
      expect(plain.lists.tensorProducts).toEqual([]);
      expect(planCpuMemory(plain).bytes).toBeLessThan(planCpuMemory(rich).bytes);
    }
  });
});

describe('a diagnosis on several threads', () => {
  it('is bitwise identical', async () => {
    const found: Diagnosis[] = [];
    for (const threads of [1, 2, 4]) {
      const program = createCpuEngine(threads).compile(gatedPlan(DIAGNOSED, 20_000));
      await setTimeout(500);
      for (let step = 0; step < 2; step++)
        found.push((await program.trainStep(twoTermBatch(20_000, step), DIAGNOSED)).diagnosis!);
      program.dispose();
    }
    expect(found.slice(2, 4)).toEqual(found.slice(0, 2));
    expect(found.slice(4)).toEqual(found.slice(0, 2));
  });
});
