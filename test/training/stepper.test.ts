import { withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import type { Engine, Program, StepResult } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { trainingOptions } from '../../src/training/options.js';
import { combinesTerms, createTrainStep, type TrainStep } from '../../src/training/train-step.js';
import { weightings } from '../../src/weightings/weightings.js';
import { compileShared } from '../support/shared-steps.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { copyOfWeights, twoTermBatch, twoTermPlan, withLargeEmbeddings } from '../support/two-terms.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine())],
  ['tfjs', () => createTfjsEngine()],
];

const trainingOf = (weighting: string) =>
  trainingOptions.parse({ lossWeighting: { name: weighting }, schedule: { name: 'plateau' } });
const specOf = (weighting: string) => trainingOf(weighting).lossWeighting;
const TERM_WEIGHTS = [1, 2] as const;
const planOf = (weighting: string, batchRows?: number) =>
  twoTermPlan(TERM_WEIGHTS, combinesTerms(specOf(weighting)) ? { combinesTerms: true } : undefined, batchRows);

/** A stepper, and all that its parts remember. */
function steppingOn(
  program: Program,
  weighting: string,
): {
  readonly stepper: TrainStep;
  readonly remembered: Map<string, object>;
  take(batch: Batch, step: number): Promise<StepResult>;
} {
  const remembered = new Map<string, object>();
  const stepper = createTrainStep({
    program,
    training: trainingOf(weighting),
    terms: ['ctr', 'cvr'].map((name, t) => ({ name, weight: TERM_WEIGHTS[t]! })),
    seed: 5,
    trainingLength: { steps: 1, stepsPerEpoch: 1 },
    stateOf(section, first) {
      const state = first();
      remembered.set(section.name, state);
      return state;
    },
  });
  return { stepper, remembered, take: (batch, step) => stepper.take(batch, { ...firstLoopState(), step }) };
}

const ROWS = 60;
const STEPS = 5;

describe.each(weightings.names)('steps with the weighting %s', (name) => {
  // Single floats summed in another order: a part in 10^5 of weights and embeddings of a size around 1.
  it('are identical on both engines', async () => {
    const ends = [];
    for (const [, engineOf] of engines) {
      const program = withLargeEmbeddings((await engineOf()).compile(planOf(name)));
      const first = copyOfWeights(program);
      const { stepper, take } = steppingOn(program, name);
      const lossWeights = [];
      for (let step = 0; step < STEPS; step++) {
        await take(twoTermBatch(ROWS, step), step);
        lossWeights.push(stepper.weights());
      }
      ends.push({ lossWeights: lossWeights.flat(), weights: copyOfWeights(program), first });
      program.dispose();
    }
    const [simd, tfjs] = ends as [(typeof ends)[number], (typeof ends)[number]];
    simd.lossWeights.forEach((weight, i) =>
      expect(Math.abs(weight - tfjs.lossWeights[i]!)).toBeLessThanOrEqual(1e-4 * Math.abs(weight)),
    );
    for (const [tensor, data] of simd.weights) {
      const other = tfjs.weights.get(tensor)!;
      const apart = Math.max(...data.map((w, i) => Math.abs(w - other[i]!)));
      expect(apart, tensor).toBeLessThanOrEqual(1e-5);
      // They have moved by far more than that.
      expect(Math.max(...data.map((w, i) => Math.abs(w - simd.first.get(tensor)![i]!))), tensor).toBeGreaterThan(1e-4);
    }
  });

  it.each(engines)('change nothing if they are skipped (%s)', async (_, engineOf) => {
    const engine = await engineOf();
    const [bad, spared] = [engine.compile(planOf(name)), engine.compile(planOf(name))].map(withLargeEmbeddings) as [
      Program,
      Program,
    ];
    const [stepping, sparedStepping] = [steppingOn(bad, name), steppingOn(spared, name)];
    const held = (): object =>
      structuredClone({ weights: copyOfWeights(bad), step: bad.state().step, remembered: stepping.remembered });
    for (let step = 0; step < 3; step++) {
      const batch = twoTermBatch(ROWS, step);
      for (const { stepper } of [stepping, sparedStepping]) stepper.observe(0.5, 'lower');
      const before = held();
      const price = column(batch, 'price', 'f32').data.with(7, Infinity);
      const { losses } = await stepping.take(withMaps(batch, { numbers: new Map([['price', price]]) }), step);
      expect([...losses.values()].filter(({ mean }) => Number.isFinite(mean))).toEqual([]);
      expect(held()).toEqual(before);
      await stepping.take(batch, step);
      await sparedStepping.take(batch, step);
    }
    expect(copyOfWeights(bad)).toEqual(copyOfWeights(spared));
    expect(stepping.remembered).toEqual(sparedStepping.remembered);
    for (const program of [bad, spared]) program.dispose();
  });
});

const needing = (needs: string): string =>
  weightings.names.findLast((name) => weightings.build(specOf(name)).needs === needs)!;

describe('a weighting that observes the change of a step', () => {
  it.each(engines)('observes the losses of the batch before and after the step (%s)', async (_, engineOf) => {
    const name = needing('change');
    const program = withLargeEmbeddings((await engineOf()).compile(planOf(name)));
    const { remembered, take } = steppingOn(program, name);
    const batch = twoTermBatch(ROWS);
    const means = async (): Promise<number[]> => [...(await program.losses(batch)).values()].map(({ mean }) => mean);
    const losses = await means();
    const first = structuredClone(remembered.get('weighting')!);
    await take(batch, 0);
    const lossesAfter = await means();
    lossesAfter.forEach((loss, t) => expect(loss).toBeLessThan(losses[t]! - 1e-3));
    const weighting = weightings.build(specOf(name));
    const seen = { losses, gramian: undefined, step: 1, epoch: 1 };
    expect(remembered.get('weighting')).toEqual(
      weighting.observe(weighting.observe(first, seen), { ...seen, lossesAfter }),
    );
    program.dispose();
  });
});

describe('steps of several threads', { tags: ['long'] }, () => {
  it.each(['losses', 'gramian', 'change'].map((needs) => [needs, needing(needs)] as const))(
    'are bitwise identical with a weighting that needs %s: %s',
    async (_, name) => {
      const ends = [];
      for (const threads of [1, 2, 4]) {
        const { program, sharedSteps } = await compileShared(planOf(name, 10_000), threads);
        const { stepper, take } = steppingOn(withLargeEmbeddings(program), name);
        for (let step = 0; step < 3; step++) await take(twoTermBatch(10_000, step), step);
        if (threads === 1) expect(sharedSteps()).toBe(0);
        else expect(sharedSteps()).toBeGreaterThanOrEqual(3);
        ends.push({ weights: copyOfWeights(program), lossWeights: stepper.weights() });
        program.dispose();
      }
      for (const end of ends.slice(1)) expect(end).toEqual(ends[0]);
    },
  );
});
