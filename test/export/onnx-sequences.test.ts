/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Program } from '../../src/engines/engine.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { expectNear, exportedModel, feedsOf, openOnnx, runOnnx } from '../support/onnx.js';
import { batchOf, batchWithoutItems, INTERESTS, planWith } from '../support/sequences.js';

const OPTIMIZERS = {
  dense: denseOptimizers.schema.parse({ learningRate: 0.1 }),
  embeddings: { ...denseOptimizers.schema.parse({}), learningRate: 0.2, lazy: true },
};

/** Trains for some steps, so that running statistics and slopes differ from their initial values. */
async function trained(plan: ReturnType<typeof planWith>): Promise<Program> {
  const program = createCpuEngine().compile({ ...plan, optimizers: OPTIMIZERS });
  for (let step = 0; step < 5; step++) await program.trainStep(batchOf(32, 3));
  return program;
}

describe('ONNX operations on items', () => {
  it.each(Object.entries(INTERESTS))('%s equals the engine, with and without items', async (_, interest) => {
    const plan = planWith(interest);
    const program = await trained(plan);
    const session = await openOnnx(exportedModel(plan, program));
    for (const batch of [batchOf(1, 5), batchOf(19, 6), batchWithoutItems(4, 7), batchWithoutItems(1, 7)])
      expectNear(await runOnnx(session, feedsOf(batch)), await program.predict(batch));
  });

  it('read sequences as offsets and items, also if bags are padded', async () => {
    const plan = planWith(INTERESTS['items that are pooled while they are looked up']);
    const program = await trained(plan);
    const session = await openOnnx(exportedModel(plan, program), { bags: 'padded' });
    expect(session.inputNames.filter((name) => name.startsWith('clicked')).sort()).toEqual([
      'clicked.ids',
      'clicked.offsets',
      'clicked.weights',
    ]);
    const batch = batchOf(9, 8);
    expectNear(await runOnnx(session, feedsOf(batch)), await program.predict(batch));
  });
});
