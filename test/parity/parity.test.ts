import { mapsOf } from '../support/batches.js';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineTags } from '../support/engine-tags.js';
import { engines } from '../support/engines.js';
import { logLoss } from '../support/reference.js';
import { canceled, withCanceledOfTorch } from './canceled.js';
import { batchOf, caseSchema, planOf, readCase, translate, translateTensors } from './rechub-case.js';

// Initial weights, batches, predictions, gradients, losses and final weights of torch-rechub.
const folder = process.env['MTL_PARITY'] ?? join(import.meta.dirname, 'cases');
const cases = await Promise.all(
  readdirSync(folder)
    .filter((file) => file.endsWith('.json') && existsSync(join(folder, file.replace(/json$/, 'safetensors'))))
    .map(async (file) => ({ file, ...(await readCase(join(folder, file.slice(0, -5)))) })),
);

/**
 * A sum that nearly cancels, such as the bias of one output, is known no better than its summands, which are near 0.1.
 */
const ROUNDING = 1e-8;

/** The largest distance of two arrays, and the largest number of the expected one. */
function distance(found: ArrayLike<number>, expected: ArrayLike<number>): { worst: number; largest: number } {
  expect(found.length).toBe(expected.length);
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(found[i]! - expected[i]!));
    largest = Math.max(largest, Math.abs(expected[i]!));
    if (Number.isNaN(found[i]!)) worst = NaN;
  }
  return { worst, largest };
}

function column(data: ArrayLike<number>, columns: number, c: number): Float32Array {
  return Float32Array.from({ length: data.length / columns }, (_, row) => data[row * columns + c]!);
}

/**
 * Whether a tensor follows rounding noise: the bias of a layer that feeds a batch norm, and the mean that the norm
 * keeps of
 * it. The norm takes the bias out again, so its gradient is 0 in exact arithmetic; what floating point leaves of it
 * (1e-8
 * in torch's run, 1e-9 in ours) is blown up by Adam's division by its own root. It cannot be reproduced, and moves the
 * bias
 * by at most the learning rate a step.
 */
function isNoise(name: string, tensors: ReadonlyMap<string, unknown>): boolean {
  return (
    name.endsWith('.norm.runningMean') || (name.endsWith('.bias') && tensors.has(name.replace(/bias$/, 'norm.gain')))
  );
}

function largestOf(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

describe('a gradient that cancels its weight decay', () => {
  it('is one that is its opposite to a hundredth; none without a gradient, of the same sign, or larger', () => {
    const decay = 0.1;
    const weights = [2, 2, -2, 2, 2, 2, 0];
    expect(canceled([-0.2, -0.1985, 0.2, 0, 0.2, -0.21, 0], weights, decay)).toEqual([0, 1, 2]);
  });

  it('is rare: one number in a thousand at most', () => {
    for (const { json, tensors } of cases) {
      const parsed = caseSchema.safeParse(json);
      const translation = parsed.success ? translate(parsed.data) : undefined;
      if (!parsed.success || translation === undefined) continue;
      const initial = translateTensors(tensors, 'init', translation.modules);
      const gradients = [...translateTensors(tensors, 'step0.grad', translation.modules)];
      const found = gradients.map(
        ([name, { data }]) => canceled(data, initial.get(name)!.data, parsed.data.optimizer.weight_decay).length,
      );
      const numbers = gradients.reduce((sum, [, { data }]) => sum + data.length, 0);
      expect(
        found.reduce((sum, count) => sum + count, 0),
        parsed.data.case,
      ).toBeLessThanOrEqual(numbers / 1000);
    }
  });
});

for (const { name: engineName, create } of engines) {
  describe(`the ${engineName} engine agrees with torch-rechub`, { tags: engineTags(engineName) }, () => {
    for (const { file, json, tensors } of cases) {
      const parsed = caseSchema.safeParse(json);
      if (!parsed.success) continue; // a case of another kind: see sample.test.ts
      const c = parsed.data;
      const translation = translate(c);
      if (translation === undefined) {
        it.skip(`${c.case} (${file}): there is no model ${c.model.name} yet`);
        continue;
      }
      const sizes = new Map(c.sparse);

      it(`${c.case} (${file})`, async () => {
        const program = (await create()).compile(planOf(c, translation, sizes));
        const initial = translateTensors(tensors, 'init', translation.modules);
        program.restore({ step: 0, weights: initial, optimizer: new Map() });

        const { gradients } = await program.inspect(batchOf(tensors, 'step0', c));
        const expectedGradients = translateTensors(tensors, 'step0.grad', translation.modules);
        expect([...gradients.keys()].sort()).toEqual([...expectedGradients.keys()].sort());
        for (const [name, { data }] of expectedGradients) {
          const { worst, largest } = distance(gradients.get(name)!.data, data);
          // Where the gradient is 0 but for rounding, there is nothing to be relative to but the weight beside it.
          const bound = isNoise(name, expectedGradients)
            ? 1e-4 * largestOf(expectedGradients.get(name.replace(/bias$/, 'weight'))!.data)
            : Math.max(1e-5 * largest, ROUNDING);
          expect(worst, `gradient of ${name}`).toBeLessThanOrEqual(bound);
        }

        for (let step = 0; step < c.steps; step++) {
          const batch = batchOf(tensors, `step${step}`, c);
          const { predictions } = await program.inspect(batch);
          const ours = translation.predictions(predictions);
          const expected = tensors.get(`step${step}.pred_train`)!;
          ours.forEach((values, t) => {
            const { worst } = distance(values, column(expected.data, ours.length, t));
            expect(worst, `prediction ${t} of step ${step}`).toBeLessThanOrEqual(1e-5);
          });

          const { losses } = await program.trainStep(batch);
          if (step === 0)
            program.restore(
              withCanceledOfTorch(program.state(), { initial, gradients: expectedGradients, adam: c.optimizer }),
            );
          const taskLosses = translation.losses.map((loss, t) =>
            'term' in loss
              ? losses.get(loss.term)!.mean
              : logLoss(mapsOf(batch).labels.get(c.labels[t]!)!, ours[loss.measured]!),
          );
          expect(distance(taskLosses, c.losses[step]!.tasks).worst, `losses of step ${step}`).toBeLessThanOrEqual(1e-5);
          const total = planOf(c, translation, sizes).graph.terms.reduce(
            (sum, { name, weight }) => sum + weight * losses.get(name)!.mean,
            0,
          );
          expect(Math.abs(total - c.losses[step]!.total), `total loss of step ${step}`).toBeLessThanOrEqual(1e-5);
        }

        const final = translateTensors(tensors, 'final', translation.modules);
        const driftBound = 2 * c.steps * c.optimizer.lr;
        for (const [name, { data }] of final) {
          const { worst } = distance(program.state().weights.get(name)!.data, data);
          expect(worst, `final ${name}`).toBeLessThanOrEqual(isNoise(name, final) ? driftBound : 1e-4);
        }

        // What was trained here, then what torch-rechub trained: without the drift, evaluation mode itself is exact.
        for (const [tolerance, weights] of [
          [driftBound, undefined],
          [1e-5, final],
        ] as const) {
          if (weights !== undefined) program.restore({ step: c.steps, weights, optimizer: new Map() });
          const evaluated = translation.predictions(await program.predict(batchOf(tensors, 'step0', c)));
          const expected = tensors.get('eval.pred')!;
          evaluated.forEach((values, t) => {
            const { worst } = distance(values, column(expected.data, evaluated.length, t));
            expect(worst, `evaluated prediction ${t}`).toBeLessThanOrEqual(tolerance);
          });
        }
      });
    }
  });
}
