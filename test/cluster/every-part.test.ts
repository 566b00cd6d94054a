/** @module-tag long */
import { describe, expect, it } from 'vitest';
import type { Workload } from '../../bench/workloads.js';
import type { Plan } from '../../src/engines/engine.js';
import { losses, type LossSpec } from '../../src/losses/losses.js';
import { models } from '../../src/models/models.js';
import {
  denseOptimizers,
  embeddingOptimizerSchema,
  optimizers,
  type DenseOptimizerSpec,
} from '../../src/optimizers/optimizers.js';
import { LOSS_CASES } from '../support/every-operation.js';
import { numericBatch, planOf } from '../support/graph-plan.js';
import { needsMpi, OPEN_MPI } from '../support/mpi.js';
import {
  distance,
  optionsOf,
  together,
  trainedAlone,
  trainedBy,
  trainingOf,
  type Training,
} from '../support/trained-together.js';
import { BY, planWith, withGroups } from '../support/within-groups.js';

const WORK: Workload = {
  name: 'mmoe',
  batchRows: 250,
  width: 6,
  numbers: ['D0', 'D1', 'D2', 'D3'],
  model: { name: 'mmoe', experts: { count: 3, hidden: [10] }, tower: { hidden: [9] } },
};

/** Smooth activations: rounding would decide the side of a kink. */
function smooth(plan: Plan): Plan {
  for (const value of plan.graph.values)
    if (value.op === 'activation' && value.kind === 'relu') Object.assign(value, { kind: 'swish' });
  return plan;
}

/** Creates steps on batches with enough clicks and purchases. */
function trainingWith(change: (plan: Plan) => Plan, work = WORK): Training {
  const { plan, batches, evaluated, ...training } = trainingOf(work, {}, 4);
  return {
    ...training,
    plan: smooth(change(plan)),
    batches: batches.map(withGroups),
    evaluated: withGroups(evaluated, 99),
  };
}

/** Two results differ by rounding only. */
async function expectAlike(training: Training, processes: number): Promise<void> {
  expect(distance(await trainedAlone(training), together(await trainedBy(OPEN_MPI, processes, training)))).toBeLessThan(
    1e-5,
  );
}

describe('several processes equal one process', { timeout: 240_000 }, () => {
  it.for(models.names)('with the model %s', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    await expectAlike(
      trainingWith((plan) => plan, { ...WORK, model: { name } }),
      4,
    );
  });

  it.for(losses.names)('with the loss %s', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const { options, taskTypes } = losses.partOf({ name } as LossSpec);
    const loss = { name, ...('groupBy' in options() && { groupBy: BY }) };
    await expectAlike(
      trainingWith((plan) => planWith(plan, WORK, loss, taskTypes[0])),
      4,
    );
  });

  it.for(optimizers.names)('with the optimizer %s', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const spec = {
      name,
      learningRate: 0.002,
      ...('epsilon' in optimizers.partOf({ name } as DenseOptimizerSpec).options() && { epsilon: 1e-3 }),
    };
    // Not all optimizers accept dense weights.
    const { data: dense } = denseOptimizers.schema.safeParse(spec);
    await expectAlike(
      trainingWith((plan) => ({
        ...plan,
        optimizers: { dense: dense ?? plan.optimizers.dense, embeddings: embeddingOptimizerSchema.parse(spec) },
      })),
      3,
    );
  });

  // Every operation, and every loss with masks and computed weights, as terms of one graph.
  it.for([2, 3])('with every operation and loss of a graph, %i processes', async (processes, context) => {
    needsMpi(context, OPEN_MPI);
    const width = 6;
    const { optimizers: specs, ...plan } = planOf(width, (g, input, y) => {
      const terms = [...LOSS_CASES.values()].map((build, i) => ({
        name: `c${i}`,
        weight: 1,
        loss: build(g, input, y, `c${i}`),
      }));
      return { predictions: { p: g.linear(input, 1, 'p') }, terms };
    });
    const steady = { dense: { ...specs.dense, epsilon: 1e-3 }, embeddings: { ...specs.embeddings, epsilon: 1e-3 } };
    const batches = [41, 24, 40].map((rows, seed) => numericBatch(rows, width, seed));
    await expectAlike(
      {
        plan: { ...plan, optimizers: steady },
        batches,
        steps: 6,
        evaluated: numericBatch(60, width, 9),
        options: optionsOf({}),
      },
      processes,
    );
  });
});
