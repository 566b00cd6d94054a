/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { column, type Batch } from '../../src/core/batch.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { trainingOptions } from '../../src/training/options.js';
import { combinesTerms, createTrainStep } from '../../src/training/train-step.js';
import { weightings } from '../../src/weightings/weightings.js';

// A click and a price through one narrow layer. The price is told in units a tenth as large, so its squared error is
// 100 times
// as large; most of it is noise, which no training takes away.

const INPUTS = 10;
const UNITS = 10;
const STEPS = 300;
const TEST_ROWS = 4000;
const testSeed = (seed: number): number => 1e6 + seed;
const fields = Array.from({ length: INPUTS }, (_, i) => `x${i}`);

function planOf(tasks: readonly string[], seed: number, isApart: boolean): Plan {
  const g = new GraphBuilder();
  const h = g.activation(g.linear(g.input({ kind: 'features', begin: 0 }, INPUTS), 8, 'shared'), 'tanh', 'shared.tanh');
  const outs = new Map(tasks.map((task) => [task, g.linear(h, 1, task)]));
  const label = (column: string) => g.input({ kind: 'label', column }, 1);
  const terms = [...outs].map(([name, out]) => ({
    name,
    weight: 1,
    loss: name === 'click' ? g.binaryCrossEntropy(out, label(name)) : g.squaredError(out, label(name)),
  }));
  return {
    graph: { values: g.values, parameters: g.parameters, terms, predictions: outs },
    layout: {
      width: INPUTS,
      tables: [],
      columns: fields.map((field, offset) => ({ field, offset, width: 1, kind: 'number' as const })),
    },
    optimizers: {
      dense: denseOptimizers.schema.parse({ learningRate: 0.01 }),
      embeddings: embeddingOptimizerSchema.parse({}),
    },
    seed,
    step: isApart ? { combinesTerms: true } : {},
  };
}

/** Rows of one truth, each label in inputs of its own. */
function rowsOf(count: number, seed: number): Batch {
  const random = randomStream(seed, 'balance');
  const columns = fields.map(() => Float32Array.from({ length: count }, () => random.normal()));
  const at = (i: number, b: number): number => columns[i]![b]!;
  const click = Float32Array.from({ length: count }, (_, b) =>
    Number(random.uniform() < 1 / (1 + Math.exp(-3 * (at(0, b) + at(1, b) - at(2, b))))),
  );
  const price = Float32Array.from(
    { length: count },
    (_, b) => UNITS * (Math.tanh(at(5, b) - at(6, b)) * 0.5 + random.normal()),
  );
  return toBatch({
    rows: count,
    numbers: new Map(fields.map((field, i) => [field, columns[i]!])),
    labels: new Map([
      ['click', click],
      ['price', price],
    ]),
  });
}

/** The loss of each task on rows that were not trained on. */
async function lossesOf(
  weighting: string,
  tasks: readonly string[],
  seed: number,
): Promise<Readonly<Record<string, number>>> {
  const training = trainingOptions.parse({ lossWeighting: { name: weighting } });
  const program: Program = createCpuEngine().compile(planOf(tasks, seed, combinesTerms(training.lossWeighting)));
  const stepper = createTrainStep({
    program,
    training,
    seed,
    terms: tasks.map((name) => ({ name, weight: 1 })),
    trainingLength: { steps: 1, stepsPerEpoch: 1 },
    stateOf: (_, first) => first(),
  });
  for (let step = 0; step < STEPS; step++)
    await stepper.take(rowsOf(64, 1000 * seed + step), { ...firstLoopState(), step });
  const { losses } = await program.evaluate(rowsOf(TEST_ROWS, testSeed(seed)));
  program.dispose();
  return Object.fromEntries([...losses].map(([task, { mean }]) => [task, mean]));
}

const SEEDS = [1, 2, 3];
const mean = (numbers: readonly number[]): number => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

/**
 * What is left of the harm that the loud price does to the click under `fixed`: 'none' where the click is all but
 * learned as alone,
 * 'some' where less than half, 'all' where nothing is lifted. A share of the harm, at most and at least.
 */
const LEFT = { none: [-0.1, 0.15], some: [0.05, 0.5], all: [0.9, 1.1] } as const;
const HARM: Readonly<Record<(typeof weightings.names)[number], keyof typeof LEFT>> = {
  fixed: 'all',
  // Paces are alike whatever the scale.
  dwa: 'all',
  // Comes to its weights slowly.
  uncertainty: 'some',
  // Its relax factor leaves a part of the longer gradients.
  metabalance: 'some',
  // Takes away what conflicts, however long the rest is.
  pcgrad: 'some',
  gradnorm: 'none',
  cagrad: 'none',
  mgda: 'none',
  famo: 'none',
  'nash-mtl': 'none',
  'aligned-mtl': 'none',
  fairgrad: 'none',
  'imtl-g': 'none',
  'imtl-l': 'none',
  upgrad: 'some',
  stch: 'none',
  'db-mtl': 'none',
};

describe.each(SEEDS)('a click task with a price task whose loss is 100 times as large (seed %i)', async (seed) => {
  const [alone, drowned, priceAlone] = await Promise.all([
    lossesOf('fixed', ['click'], seed),
    lossesOf('fixed', ['click', 'price'], seed),
    lossesOf('fixed', ['price'], seed),
  ]);
  const unlearned = mean(
    [...column(rowsOf(TEST_ROWS, testSeed(seed)), 'price', 'f32').data].map((price) => price ** 2),
  );

  it('performs clearly worse than alone under fixed weights', () => {
    expect(drowned['price']! / drowned['click']!).toBeGreaterThan(100);
    expect(drowned['click']! - alone['click']!).toBeGreaterThan(0.06);
  });

  it.each(Object.entries(HARM))('under %s is affected: %s; and the price is learned', async (name, harm) => {
    const { click, price } = await lossesOf(name, ['click', 'price'], seed);
    const left = (click! - alone['click']!) / (drowned['click']! - alone['click']!);
    const [least, most] = LEFT[harm];
    expect(left).toBeGreaterThan(least);
    expect(left).toBeLessThan(most);
    expect((unlearned - price!) / (unlearned - priceAlone['price']!)).toBeGreaterThan(0.7);
  });
});
