import { describe, expect, it } from 'vitest';
import { batchesOf, planOf as workloadPlan, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { randomStream } from '../../src/core/random.js';
import { engineTags } from '../support/engine-tags.js';
import { engines } from '../support/engines.js';
import { LOSS_CASES } from '../support/every-operation.js';
import { float64Pass } from '../support/float64-pass.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { expectLikeFloat64 } from '../support/like-float64.js';

// Tests every engine against a forward and backward pass in double precision, which is tested against difference
// quotients of its losses.

const WIDTH = 6;
const ROWS = 9;

const planOfCase = (name: string): Plan =>
  planOf(WIDTH, (g, input, y) => {
    const loss = LOSS_CASES.get(name)!(g, input, y, 'c');
    return {
      predictions: { p: loss.op === 'squaredError' ? loss.prediction : loss.op === 'mean' ? loss.x : loss.logit },
      terms: [{ name: 'p', weight: 0.7, loss }],
    };
  });

const SCALE = 0.002;
/** ESMM, also with bags, and a wide MMOE. */
const workloads = (activation: string): readonly Workload[] => {
  const layer = (...hidden: number[]): object => ({ hidden, activation, dropout: 0.2 });
  const shape = {
    batchRows: 100,
    width: 6,
    numbers: [],
    model: { name: 'esmm', ctrTower: layer(16, 8), cvrTower: layer(16, 8) },
  };
  return [
    { name: 'esmm', ...shape },
    { name: 'esmm with bags', ...shape, bags: { '210': 4, '853': 10 } },
    {
      name: 'a wide mmoe',
      ...shape,
      numbers: ['D0', 'D1'],
      model: { name: 'mmoe', experts: { count: 3, ...layer(128, 64) }, tower: layer(128, 64) },
    },
  ];
};

/** Weights that differ from the initial ones: large embeddings, and arbitrary gains, shifts and slopes. */
function stir(program: Program): void {
  const random = randomStream(5, 'stir');
  const { weights } = program.state();
  const stirred = [...weights].map(
    ([name, { shape, data }]) =>
      [
        name,
        {
          shape,
          data: data.map((value) => (name.endsWith('runningVariance') ? value : value + 0.2 * random.normal())),
        },
      ] as const,
  );
  program.restore({ step: 3, weights: new Map(stirred), optimizer: new Map() });
}

describe('the double-precision pass', () => {
  /** Computes the slope of the loss along a direction over all weights, and that according to the gradients. */
  const slopes = (plan: Plan, weights: ReadonlyMap<string, Float32Array>, batch: Batch): readonly [number, number] => {
    const random = randomStream(9, 'direction');
    const start = new Map([...weights].map(([name, data]) => [name, Float64Array.from(data)]));
    const stopped = new Map<number, Float64Array>();
    const { gradients } = float64Pass(plan, start, batch, 0, 'train', stopped);
    const direction = new Map(
      [...gradients].map(([name, { length }]) => [name, Float64Array.from({ length }, () => random.normal())]),
    );
    // A stopped operand of a loss is constant: no gradient passes it.
    for (const [name, numbers] of direction) if (/\.(label|mask|weights)\./.test(name)) numbers.fill(0);
    const lossAt = (h: number): number => {
      const moved = new Map(
        [...start].map(([name, data]) => [name, data.map((value, i) => value + h * (direction.get(name)?.[i] ?? 0))]),
      );
      const { losses } = float64Pass(plan, moved, batch, 0, 'train', stopped);
      return plan.graph.terms.reduce((sum, { name, weight }) => sum + weight * losses.get(name)!, 0);
    };
    const h = 1e-5;
    return [
      (lossAt(h) - lossAt(-h)) / (2 * h),
      [...gradients].reduce(
        (sum, [name, d]) => d.reduce((all, value, i) => all + value * direction.get(name)![i]!, sum),
        0,
      ),
    ];
  };
  const expectSlopes = (plan: Plan, batch: Batch): void => {
    const program = createCpuEngine().compile(plan);
    stir(program);
    const [slope, along] = slopes(
      plan,
      new Map([...program.state().weights].map(([name, { data }]) => [name, data.slice()])),
      batch,
    );
    expect(Math.abs(slope - along)).toBeLessThanOrEqual(1e-7 * Math.abs(slope) + 1e-9);
  };

  it.each([...LOSS_CASES.keys()])('has gradients that match difference quotients of the loss, %s', (name) =>
    expectSlopes(planOfCase(name), numericBatch(ROWS, WIDTH)),
  );
  it.each(workloads('tanh').map((work) => [work.name, work] as const))(
    'has gradients that match difference quotients of the loss in %s',
    (_, work) => {
      expectSlopes(workloadPlan(work, SCALE), batchesOf({ ...work, batchRows: 50 }, 1, SCALE)[0]!);
    },
  );
});

for (const { name: engineName, create } of engines) {
  describe(`the ${engineName} engine matches the double-precision pass`, { tags: engineTags(engineName) }, () => {
    it.each([...LOSS_CASES.keys()])('%s', async (name) => {
      const plan = planOfCase(name);
      const program = (await create()).compile(plan);
      await expectLikeFloat64(program, plan, numericBatch(ROWS, WIDTH), 2e-5);
      stir(program);
      await expectLikeFloat64(program, plan, numericBatch(ROWS, WIDTH), 2e-5);
    });

    it.each(workloads('relu').map((work) => [work.name, work] as const))(
      'in %s, with initial and with trained weights',
      async (_, work) => {
        const plan = workloadPlan(work, SCALE);
        const program = (await create()).compile(plan);
        const batches = batchesOf(work, 20, SCALE);
        // Initial embeddings are 1e-4 next to biases of 0.1, which a batch norm subtracts: floats keep four of their
        // digits.
        await expectLikeFloat64(program, plan, batches[0]!, 3e-4);
        for (const batch of batches) await program.trainStep(batch);
        // A pre-activation that rounds across 0 changes the gradient of its row: then two other batches must agree.
        await expectLikeFloat64(program, plan, batches[0]!, 3e-4).catch(async () => {
          for (const batch of batches.slice(1, 3)) await expectLikeFloat64(program, plan, batch, 3e-4);
        });
      },
    );
  });
}
