/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan, Program, StepPlan } from '../../src/engines/engine.js';
import { planSize } from '../../src/engines/plan-size.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { copyOfWeights, twoTermBatch, twoTermPlan } from '../support/two-terms.js';
import { webGpuEngines } from '../support/webgpu.js';

/** A plan whose tables of these names are frozen. */
function planWith(frozen: readonly string[], step?: StepPlan): Plan {
  const plan = twoTermPlan([1, 2], step);
  const tables = plan.layout.tables.map((table) => ({
    ...table,
    ...(frozen.includes(table.name) && { isFrozen: true as const }),
  }));
  return {
    ...plan,
    layout: { ...plan.layout, tables },
    optimizers: {
      dense: denseOptimizers.schema.parse({ learningRate: 0.05 }),
      // Decay of all rows, also of those outside the batch.
      embeddings: embeddingOptimizerSchema.parse({ learningRate: 0.05, weightDecay: 0.1, lazy: false }),
    },
  };
}

const combine = (): readonly number[] => [1, 2];
const take = async (program: Program, steps: number): Promise<Program> => {
  for (let step = 0; step < steps; step++)
    await program.trainStep(twoTermBatch(40, step), { combine, isDiagnosed: false });
  return program;
};

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['one thread', () => Promise.resolve(createCpuEngine(1))],
  ['three threads', () => Promise.resolve(createCpuEngine(3))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];
const STEPS: readonly (readonly [string, StepPlan])[] = [
  ['plain steps', {}],
  ['clipped steps with an EMA', { clip: { norm: 0.1, separate: false }, average: { decay: 0.9 } }],
  ['gradients per term', { combinesTerms: true, isDiagnosed: true }],
];

describe.each(engines)('a frozen table (%s)', (_engine, engineOf) => {
  it.each(STEPS)('stays bitwise as it was, without optimizer state, with %s', async (_name, step) => {
    for (const frozen of ['item', 'tags']) {
      const program = (await engineOf()).compile(planWith([frozen], step));
      const before = copyOfWeights(program);
      await take(program, 4);
      const after = copyOfWeights(program);
      for (const [name, weights] of before)
        if (name === `embeddings.${frozen}`) expect(after.get(name)).toEqual(weights);
        else expect(after.get(name), name).not.toEqual(weights);
      const { optimizer } = program.state();
      expect([...optimizer.keys()].filter((name) => name.startsWith(`embeddings.${frozen}`))).toEqual([]);
      program.dispose();
    }
  });

  it('leaves the first step of all other tensors as it was', async () => {
    const engine = await engineOf();
    const [trained, frozen] = [engine.compile(planWith([])), engine.compile(planWith(['item']))];
    await Promise.all([take(trained, 1), take(frozen, 1)]);
    const expected = copyOfWeights(trained);
    for (const [name, weights] of copyOfWeights(frozen))
      if (name !== 'embeddings.item') expect(weights, name).toEqual(expected.get(name));
    for (const program of [trained, frozen]) program.dispose();
  });

  it('does not count in the norm of the gradient', async () => {
    const step: StepPlan = { clip: { norm: 1e9, separate: false } };
    const program = (await engineOf()).compile(planWith(['item'], step));
    const { gradients } = await program.inspect(twoTermBatch(40, 0));
    expect(gradients.has('embeddings.item')).toBe(false);
    let square = 0;
    for (const { data } of gradients.values()) square += data.reduce((sum, value) => sum + value ** 2, 0);
    const { norms } = await program.trainStep(twoTermBatch(40, 0));
    expect(norms.dense).toBeCloseTo(Math.sqrt(square), 5);
    program.dispose();
  });

  it('resumes with identical results', async () => {
    const engine = await engineOf();
    const step: StepPlan = { average: { decay: 0.9 } };
    const [through, resumed] = [0, 1].map(() => engine.compile(planWith(['tags'], step))) as [Program, Program];
    await take(through, 3);
    resumed.restore(through.state());
    await Promise.all([take(through, 2), take(resumed, 2)]);
    expect(copyOfWeights(resumed)).toEqual(copyOfWeights(through));
    for (const program of [through, resumed]) program.dispose();
  });
});

describe('the size of a plan', () => {
  it('has no optimizer state for a frozen table', () => {
    const engine = createCpuEngine(1);
    const bytesOf = (frozen: readonly string[]): number => planSize(planWith(frozen), engine, 0).optimizerBytes;
    // Two moments of 40 rows of 5.
    expect(bytesOf([]) - bytesOf(['item'])).toBe(4 * 2 * 40 * 5);
  });
});
