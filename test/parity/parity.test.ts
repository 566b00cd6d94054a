import { mapsOf } from '../support/batches.js';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Engine, Program } from '../../src/engines/engine.js';
import { readSafetensors, type StoredTensor } from '../../src/io/safetensors.js';
import { engineTags } from '../support/engine-tags.js';
import { engines } from '../support/engines.js';
import { logLoss } from '../support/reference.js';
import { canceled, withCanceledOfReference } from './canceled.js';
import {
  batchOf,
  caseSchema,
  planOf,
  readCase,
  translate,
  translateExactTensors,
  translateTensors,
  type ExactTensor,
  type RechubCase,
  type Translation,
} from './rechub-case.js';

// NAME.safetensors stores the initial weights, batches and results of torch-rechub, which trains in float32.
// NAME.float64.safetensors stores the results in double precision, see make_float64_cases.py. MTL_PARITY names another
// directory of cases. A case without float64 results is compared with the float32 results.
const folder = process.env['MTL_PARITY'] ?? join(import.meta.dirname, 'cases');

/** Largest distance from the references. */
interface Limits {
  readonly predictions: number;
  readonly losses: number;
  /** Relative to the largest element of the gradient. */
  readonly gradients: number;
  readonly weights: number;
  /** Whether rounding decides some tensors of the references, see `isNoise`. */
  readonly hasNoise: boolean;
}
/** All engines meet them: the largest distances are 3.0e-6, 2.3e-7, 2.3e-6 and 6.6e-6. */
const FLOAT64_LIMITS: Limits = { predictions: 5e-6, losses: 5e-6, gradients: 5e-6, weights: 1e-5, hasNoise: false };
const FLOAT32_LIMITS: Limits = { predictions: 1e-5, losses: 1e-5, gradients: 1e-5, weights: 1e-4, hasNoise: true };

interface References {
  /** `stepN.pred_train`, `step0.grad.*`, `final.*` and `eval.pred`. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly losses: RechubCase['losses'];
  readonly limits: Limits;
}

interface Case {
  readonly file: string;
  readonly c: RechubCase;
  readonly translation: Translation | undefined;
  /** Initial weights and batches. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly float32: References;
  readonly float64: References | undefined;
}

async function readCases(): Promise<readonly Case[]> {
  const cases: Case[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const path = join(folder, file.slice(0, -5));
    if (!existsSync(`${path}.safetensors`)) continue;
    const { json, tensors } = await readCase(path);
    const { data: c } = caseSchema.safeParse(json);
    if (c === undefined) continue; // a case of another kind: see sample.test.ts
    const exact = `${path}.float64.safetensors`;
    const float32 = { tensors, losses: c.losses, limits: FLOAT32_LIMITS };
    const float64 = existsSync(exact) ? toFloat64References(await readSafetensors(exact)) : undefined;
    cases.push({ file, c, translation: translate(c), tensors, float32, float64 });
  }
  return cases;
}

function toFloat64References(tensors: ReadonlyMap<string, StoredTensor>): References {
  const totals = [...tensors.get('loss.total')!.data];
  const tasks = tensors.get('loss.tasks')!;
  const count = tasks.shape[1]!;
  const losses = totals.map((total, step) => ({
    total,
    tasks: [...tasks.data.subarray(step * count, (step + 1) * count)],
  }));
  return { tensors, losses, limits: FLOAT64_LIMITS };
}

const cases = await readCases();

/**
 * Error of a sum that nearly cancels, such as the bias of one output: its summands are near 0.1, and their rounding
 * errors remain.
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

function column(data: ArrayLike<number>, columns: number, c: number): Float64Array {
  return Float64Array.from({ length: data.length / columns }, (_, row) => data[row * columns + c]!);
}

/**
 * Returns whether rounding decides a tensor of a float32 run: the bias of a layer that feeds a batch norm, and the
 * running mean of that norm. The norm subtracts the bias again, so the exact gradient of the bias is 0. Torch's float32
 * run leaves about 1e-8 of it, and Adam divides that by its own root. So the bias moves by up to the learning rate per
 * step, and no other run reproduces it. Float64 leaves 1e-17, and mtl sets the gradient to 0.
 */
function isNoise(name: string, tensors: ReadonlyMap<string, unknown>): boolean {
  return (
    name.endsWith('.norm.runningMean') || (name.endsWith('.bias') && tensors.has(name.replace(/bias$/, 'norm.gain')))
  );
}

type ExactTensors = ReadonlyMap<string, ExactTensor>;

function expectGradients(
  found: ReadonlyMap<string, { readonly data: ArrayLike<number> }>,
  expected: ExactTensors,
  { gradients, hasNoise }: Limits,
): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { data }] of expected) {
    const { worst, largest } = distance(found.get(name)!.data, data);
    // The gradient of a noise tensor is 0 except for rounding, so its limit is relative to that of the weight.
    const weight = expected.get(name.replace(/bias$/, 'weight'))!.data;
    const limit =
      hasNoise && isNoise(name, expected)
        ? 1e-4 * distance(weight, weight).largest
        : Math.max(gradients * largest, ROUNDING);
    expect(worst, `gradient of ${name}`).toBeLessThanOrEqual(limit);
  }
}

function expectPredictions(
  found: readonly ArrayLike<number>[],
  expected: StoredTensor,
  { what, limit }: { readonly what: string; readonly limit: number },
): void {
  found.forEach((values, t) => {
    const { worst } = distance(values, column(expected.data, found.length, t));
    expect(worst, `${what}, prediction ${t}`).toBeLessThanOrEqual(limit);
  });
}

/** Trains a case and compares all results with `references`. */
async function expectAgreement(engine: Engine, one: Case, references: References): Promise<void> {
  const { c, tensors } = one;
  const { tensors: expected, losses, limits } = references;
  const translation = one.translation!;
  const plan = planOf(c, translation, new Map(c.sparse));
  const program = engine.compile(plan);
  const initial = translateTensors(tensors, 'init', translation.modules);
  program.restore({ step: 0, weights: initial, optimizer: new Map() });
  const gradients = translateExactTensors(expected, 'step0.grad', translation.modules);
  expectGradients((await program.inspect(batchOf(tensors, 'step0', c))).gradients, gradients, limits);

  for (let step = 0; step < c.steps; step++) {
    const batch = batchOf(tensors, `step${step}`, c);
    const ours = translation.predictions((await program.inspect(batch)).predictions);
    const limit = limits.predictions;
    expectPredictions(ours, expected.get(`step${step}.pred_train`)!, { what: `step ${step}`, limit });

    const { losses: found } = await program.trainStep(batch);
    if (step === 0)
      program.restore(withCanceledOfReference(program.state(), { initial, gradients, adam: c.optimizer }));
    const tasks = translation.losses.map((loss, t) =>
      'term' in loss
        ? found.get(loss.term)!.mean
        : logLoss(mapsOf(batch).labels.get(c.labels[t]!)!, ours[loss.measured]!),
    );
    const total = plan.graph.terms.reduce((sum, { name, weight }) => sum + weight * found.get(name)!.mean, 0);
    const { worst } = distance([...tasks, total], [...losses[step]!.tasks, losses[step]!.total]);
    expect(worst, `losses of step ${step}`).toBeLessThanOrEqual(limits.losses);
  }
  await expectTrained(program, one, references);
}

/** Compares trained weights, and the predictions in evaluation mode. */
async function expectTrained(program: Program, { c, translation, tensors }: Case, references: References) {
  const { tensors: expected, limits } = references;
  const final = translateExactTensors(expected, 'final', translation!.modules);
  const { weights } = program.state();
  const noise = 2 * c.steps * c.optimizer.lr;
  for (const [name, { data }] of final) {
    const limit = limits.hasNoise && isNoise(name, final) ? noise : limits.weights;
    expect(distance(weights.get(name)!.data, data).worst, `final ${name}`).toBeLessThanOrEqual(limit);
  }

  // With our final weights, then with those of the references, which exclude the noise.
  const evaluate = async (what: string, limit: number): Promise<void> => {
    const found = await program.predict(batchOf(tensors, 'step0', c));
    expectPredictions(translation!.predictions(found), expected.get('eval.pred')!, { what, limit });
  };
  await evaluate('own final weights', limits.hasNoise ? noise : limits.predictions);
  const theirs = translateTensors(expected, 'final', translation!.modules);
  program.restore({ step: c.steps, weights: theirs, optimizer: new Map() });
  await evaluate('final weights of the references', limits.predictions);
}

describe('a gradient that cancels its weight decay', () => {
  it('is its opposite to 1%, not 0, of the same sign, or larger', () => {
    const decay = 0.1;
    const weights = [2, 2, -2, 2, 2, 2, 0];
    expect(canceled([-0.2, -0.1985, 0.2, 0, 0.2, -0.21, 0], weights, decay)).toEqual([0, 1, 2]);
  });

  it('is rare: at most one element in a thousand', () => {
    for (const { c, translation, tensors, float32, float64 } of cases) {
      if (translation === undefined) continue;
      const initial = translateTensors(tensors, 'init', translation.modules);
      const references = (float64 ?? float32).tensors;
      const gradients = [...translateExactTensors(references, 'step0.grad', translation.modules)];
      const decay = c.optimizer.weight_decay;
      const found = gradients.map(([name, { data }]) => canceled(data, initial.get(name)!.data, decay).length);
      const elements = gradients.reduce((sum, [, { data }]) => sum + data.length, 0);
      expect(
        found.reduce((sum, count) => sum + count, 0),
        c.case,
      ).toBeLessThanOrEqual(elements / 1000);
    }
  });
});

for (const { name: engineName, create } of engines) {
  describe(`the ${engineName} engine agrees with torch-rechub`, { tags: engineTags(engineName) }, () => {
    for (const one of cases) {
      const { c, file, float32, float64, translation } = one;
      if (translation === undefined) it.skip(`${c.case} (${file}): there is no model ${c.model.name} yet`);
      else it(`${c.case} (${file})`, async () => expectAgreement(await create(), one, float64 ?? float32));
    }
  });
}

// Without a describe, because a describe without tests fails: MTL_PARITY may lack the case.
const cpu = engines.find(({ name }) => name === 'simd')!;
for (const one of cases.filter(({ c, float64 }) => c.case === 'shared_bottom' && float64 !== undefined))
  it(`the CPU engine agrees with ${one.c.case} of torch-rechub in float32, as users run it`, async () =>
    expectAgreement(await cpu.create(), one, one.float32));
