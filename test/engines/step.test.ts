import { describe, expect, it } from 'vitest';
import type { Engine, Inspection, Plan, Program, StepPlan, StepSettings } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { copyOfWeights, twoTermBatch, twoTermPlan, withLargeEmbeddings } from '../support/two-terms.js';
import { webGpuEngines } from '../support/webgpu.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine(1))],
  ['simd, portable', () => Promise.resolve(createCpuEngine(1, false))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];

const compiled = (engine: Engine, plan: Plan): Program => withLargeEmbeddings(engine.compile(plan));

/** Returns the update of each weight by a step, in units of the gradient. */
async function moved(
  engine: Engine,
  weights: readonly [number, number],
  rows: number,
  step?: StepPlan,
  settings?: StepSettings,
  batchRows?: number,
): Promise<{ gradients: Map<string, Float32Array>; result: Awaited<ReturnType<Program['trainStep']>> }> {
  const program = compiled(engine, twoTermPlan(weights, step, batchRows));
  const before = copyOfWeights(program);
  const result = await program.trainStep(twoTermBatch(rows), settings);
  const gradients = new Map(
    [...copyOfWeights(program)].map(([name, after]) => [name, before.get(name)!.map((w, i) => (w - after[i]!) * 10)]),
  );
  program.dispose();
  return { gradients, result };
}

async function inspected(engine: Engine, weights: readonly [number, number], rows: number): Promise<Inspection> {
  const program = compiled(engine, twoTermPlan(weights, undefined, rows));
  const found = await program.inspect(twoTermBatch(rows));
  program.dispose();
  return found;
}

function expectClose(
  found: ReadonlyMap<string, Float32Array>,
  expected: (name: string, i: number) => number,
  bound: number,
): void {
  for (const [name, data] of found)
    data.forEach((value, i) => expect(Math.abs(value - expected(name, i)), `${name}[${i}]`).toBeLessThanOrEqual(bound));
}

const isShared = (name: string): boolean => name.startsWith('shared') || name.startsWith('embeddings.');
const dot = (a: Inspection, b: Inspection): number =>
  [...a.gradients]
    .filter(([name]) => isShared(name))
    .reduce((sum, [name, { data }]) => sum + data.reduce((s, g, i) => s + g * b.gradients.get(name)!.data[i]!, 0), 0);

describe.each(engines)('a step with combined terms or several passes (%s)', (_, engineOf) => {
  it('passes the losses and the products between term gradients, including tables, to `combine`', async () => {
    const engine = await engineOf();
    const alone = [await inspected(engine, [1, 0], 60), await inspected(engine, [0, 1], 60)] as const;
    let seen: { losses: readonly number[]; gramian: Float64Array } | undefined;
    await moved(
      engine,
      [2, 3],
      60,
      { combinesTerms: true },
      { combine: (losses, gramian) => ((seen = { losses: [...losses], gramian: gramian.slice() }), [1, 1]) },
    );
    for (const [i, a] of alone.entries())
      for (const [j, b] of alone.entries()) expect(seen!.gramian[2 * i + j]).toBeCloseTo(dot(a, b), 6);
    expect(seen!.gramian[0]).toBeGreaterThan(1e-3);
    expect(seen!.losses).toEqual(
      ['ctr', 'cvr'].map((name) => expect.closeTo(alone[0].losses.get(name)!.mean, 6) as number),
    );
  });

  it('updates shared weights by the combined term weights, and others by their own term weight', async () => {
    const engine = await engineOf();
    const [a, b] = [await inspected(engine, [1, 0], 60), await inspected(engine, [0, 1], 60)];
    const { gradients } = await moved(engine, [2, 3], 60, { combinesTerms: true }, { combine: () => [0.5, -1.5] });
    const of = ({ gradients: all }: Inspection, name: string, i: number): number => all.get(name)!.data[i]!;
    expectClose(
      gradients,
      (name, i) =>
        isShared(name) ? 0.5 * of(a, name, i) - 1.5 * of(b, name, i) : 2 * of(a, name, i) + 3 * of(b, name, i),
      2e-5,
    );
  });

  it('matches a single backward pass if terms are combined by their own weights', async () => {
    const engine = await engineOf();
    const trained = async (plan: Plan): Promise<Map<string, Float32Array>> => {
      const program = compiled(engine, plan);
      for (let step = 0; step < 3; step++) await program.trainStep(twoTermBatch(60, step));
      return copyOfWeights(program);
    };
    const expected = await trained(twoTermPlan([1, 2]));
    expectClose(
      await trained(twoTermPlan([1, 2], { combinesTerms: true })),
      (name, i) => expected.get(name)![i]!,
      2e-6,
    );

    const base = twoTermPlan([1, 2]);
    const g = new GraphBuilder();
    const x = lookUp(g, base.layout.columns);
    const click = g.input({ kind: 'label', column: 'click' }, 1);
    // The first term depends on no table.
    const [first, second] = [g.linear(click, 1, 'calibrator'), g.linear(x, 1, 'out')];
    const terms = [first, second].map((prediction, t) => ({
      name: `${t}`,
      loss: g.squaredError(prediction, click),
      weight: 1,
    }));
    const plan = {
      ...base,
      graph: { values: g.values, parameters: g.parameters, terms, predictions: new Map([['ctr', second]]) },
    };
    const plain = await trained(plan);
    expectClose(await trained({ ...plan, step: { combinesTerms: true } }), (name, i) => plain.get(name)![i]!, 2e-6);
  });

  it('accepts loss weights per step', async () => {
    const engine = await engineOf();
    const expected = await inspected(engine, [0.25, 4], 60);
    const { gradients } = await moved(engine, [2, 3], 60, undefined, { weights: [0.25, 4] });
    expectClose(gradients, (name, i) => expected.gradients.get(name)!.data[i]!, 2e-5);
  });

  it('accepts learning rate factors, separate for tables', async () => {
    const engine = await engineOf();
    const expected = await inspected(engine, [1, 1], 60);
    const { gradients } = await moved(engine, [1, 1], 60, undefined, { rates: { dense: 0.5, embeddings: 2 } });
    expectClose(
      gradients,
      (name, i) => expected.gradients.get(name)!.data[i]! * (name.startsWith('embeddings.') ? 2 : 0.5),
      4e-5,
    );
  });

  it('is the same in several passes as in one: losses average over all unmasked rows', async () => {
    const engine = await engineOf();
    const whole = await moved(engine, [1, 2], 150, undefined, undefined, 150);
    const parts = await moved(engine, [1, 2], 150, { rows: 160 }, undefined, 40);
    expectClose(parts.gradients, (name, i) => whole.gradients.get(name)![i]!, 2e-5);
    for (const [name, { mean, rows }] of whole.result.losses) {
      expect(parts.result.losses.get(name)!.rows).toBe(rows);
      expect(parts.result.losses.get(name)!.mean).toBeCloseTo(mean, 6);
    }
  });

  it('combines terms over several passes as over one', async () => {
    const engine = await engineOf();
    const seen: Float64Array[] = [];
    const combine: StepSettings['combine'] = (_losses, gramian) => (seen.push(gramian.slice()), [0.5, 0.25]);
    const whole = await moved(engine, [1, 2], 150, { combinesTerms: true }, { combine }, 150);
    const parts = await moved(engine, [1, 2], 150, { combinesTerms: true, rows: 150 }, { combine }, 40);
    expectClose(parts.gradients, (name, i) => whole.gradients.get(name)![i]!, 2e-5);
    seen[0]!.forEach((product, i) => expect(seen[1]![i]).toBeCloseTo(product, 6));
  });

  it('clips the gradient norm, jointly or separately for tables, and reports it', async () => {
    const engine = await engineOf();
    const { gradients: all } = await inspected(engine, [1, 1], 60);
    const norm = (choose: (name: string) => boolean): number =>
      Math.sqrt(
        [...all]
          .filter(([name]) => choose(name))
          .reduce((sum, [, { data }]) => sum + data.reduce((s, g) => s + g * g, 0), 0),
      );
    const isTable = (name: string): boolean => name.startsWith('embeddings.');
    const [total, dense, tables] = [norm(() => true), norm((name) => !isTable(name)), norm(isTable)];

    const most = total / 4;
    const together = await moved(engine, [1, 1], 60, { clip: { norm: most, separate: false } });
    expect(together.result.norms.dense).toBeCloseTo(total, 6);
    expectClose(together.gradients, (name, i) => all.get(name)!.data[i]! / 4, 2e-5);

    const apart = await moved(engine, [1, 1], 60, { clip: { norm: (dense + tables) / 2, separate: true } });
    expect(apart.result.norms).toEqual({
      dense: expect.closeTo(dense, 6) as number,
      embeddings: expect.closeTo(tables, 6) as number,
    });
    expectClose(
      apart.gradients,
      (name, i) => all.get(name)!.data[i]! * Math.min(1, (dense + tables) / 2 / (isTable(name) ? tables : dense)),
      2e-5,
    );

    const byValue = await moved(engine, [1, 1], 60, { clip: { value: 0.01, separate: false } });
    expectClose(byValue.gradients, (name, i) => Math.max(-0.01, Math.min(0.01, all.get(name)!.data[i]!)), 2e-5);
  });
});

describe('a step with combined terms on several threads', () => {
  it('has bitwise identical weights', { tags: ['long'] }, async () => {
    const runs: Map<string, Float32Array>[] = [];
    for (const threads of [1, 2, 4]) {
      const program = createCpuEngine(threads, true, { isPatient: true }).compile(
        twoTermPlan([1, 2], { combinesTerms: true, rows: 30_000, clip: { norm: 0.05, separate: false } }, 10_000),
      );
      for (let step = 0; step < 5; step++)
        await program.trainStep(twoTermBatch(30_000, step), {
          combine: (losses, gramian) => [1 + gramian[0]!, losses[1]!],
        });
      runs.push(copyOfWeights(program));
      program.dispose();
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });
});
