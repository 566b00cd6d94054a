import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { taskOptions, type Task } from '../../src/core/tasks.js';
import { formatMethodColumn } from '../../src/delay/columns.js';
import { countOutputs, delayedLoss, delays, resolveDelay } from '../../src/delay/delays.js';
import { buildMean } from '../../src/losses/loss.js';
import { engineTags } from '../support/engine-tags.js';
import { engines } from '../support/engines.js';
import { planOf } from '../support/graph-plan.js';

/** Losses of delayed labels, in float64 from PyTorch. */
interface Case {
  readonly method: string;
  readonly out: readonly (readonly number[])[];
  readonly label: readonly number[];
  readonly columns: Readonly<Record<string, readonly number[]>>;
  readonly mean: number;
  readonly gradient: readonly (readonly number[])[];
  readonly predictions: readonly number[];
}
const cases = JSON.parse(readFileSync(join(import.meta.dirname, 'cases.json'), 'utf8')) as readonly Case[];
const near = (found: number, expected: number): void =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(3e-6 * Math.max(1, Math.abs(expected)));

const HOUR_MS = 3_600_000;
const [WAIT_MS, WINDOW_MS] = [HOUR_MS, 24 * HOUR_MS];

function createTask(method: string): Task {
  const part = delays.parts.find(({ name }) => name === method)!;
  const wait = 'wait' in part.options() ? { wait: '1h' } : {};
  const delay = { method, from: 'click', event: 'buy', window: '24h', ...wait };
  return { name: 'cvr', ...taskOptions.parse({ label: 'y', delay }) };
}
const resolve = (method: string) => resolveDelay(createTask(method))!;

describe.each(engines)('delayed labels on the $name engine', ({ name, create }) => {
  const tags = engineTags(name);
  it.each(cases)('match PyTorch in loss, gradient and predictions: $method', { tags }, async (each) => {
    const { method, out, label, columns } = each;
    const [rows, outputs] = [label.length, out[0]!.length];
    expect(countOutputs(createTask(method))).toBe(outputs);
    expect(resolve(method).columns).toEqual(Object.keys(columns));
    const plan = planOf(rows, (g, input, y) => {
      const loss = delayedLoss(resolve(method), (column) => g.input({ kind: 'label', column }, 1));
      const z = g.linear(input, outputs, 'says', { bias: false });
      return {
        predictions: { p: loss.predict(g, z, 'p') },
        terms: [{ name: 'p', weight: 1, loss: buildMean(g, loss, z, y, {}) }],
      };
    });
    const program = (await create()).compile(plan);
    program.restore({
      step: 0,
      optimizer: new Map(),
      weights: new Map([['says.weight', { shape: [rows, outputs], data: Float32Array.from(out.flat()) }]]),
    });
    const batch: Batch = toBatch({
      rows,
      numbers: new Map(
        label.map((_, i) => [`x${i}`, Float32Array.from(label, (_label, row) => Number(row === i))] as const),
      ),
      labels: new Map([
        ['y', Float32Array.from(label)],
        ...Object.entries(columns).map(
          ([column, values]) => [formatMethodColumn('cvr', column), Float32Array.from(values)] as const,
        ),
      ]),
    });
    const { losses, gradients } = await program.inspect(batch);
    near(losses.get('p')!.mean, each.mean);
    for (const [i, value] of gradients.get('says.weight')!.data.entries()) near(value, each.gradient.flat()[i]!);
    for (const [row, value] of (await program.predict(batch)).get('p')!.entries()) near(value, each.predictions[row]!);
    program.dispose();
  });
});

/** Samples as [hours after the click, label, ...columns]: of an early, a late and no conversion. */
const SAMPLES: Readonly<Record<string, readonly (readonly (readonly number[])[])[]>> = {
  naive: [[[1, 1]], [[1, 0]], [[1, 0]]],
  wait: [[[24, 1]], [[24, 1]], [[24, 0]]],
  fnw: [
    [
      [0, 0],
      [0.5, 1],
    ],
    [
      [0, 0],
      [6, 1],
    ],
    [[0, 0]],
  ],
  dfm: [
    [[1, 1, 0.5 / 24, 0]],
    [
      [1, 0, 1 / 24, 0],
      [6, 1, 6 / 24, 1 / 24],
    ],
    [
      [1, 0, 1 / 24, 0],
      [24, 0, 1, 1 / 24],
    ],
  ],
  'es-dfm': [
    [
      [1, 1, 1, 0, 1],
      [24, 1, 0, 1, 1],
    ],
    [
      [1, 0, 1, 0, 0],
      [6, 1, 1, 0, 0],
      [24, 1, 0, 1, 0],
    ],
    [
      [1, 0, 1, 0, 0],
      [24, 0, 0, 1, 0],
    ],
  ],
  defer: [
    [
      [1, 1, 1, 0, 1],
      [24, 1, 1, 1, 1],
    ],
    [
      [1, 0, 1, 0, 0],
      [6, 1, 1, 0, 0],
      [24, 1, 0, 1, 0],
    ],
    [
      [1, 0, 1, 0, 0],
      [24, 0, 1, 1, 0],
    ],
  ],
  'bi-defuse': [
    [[1, 1, 1]],
    [
      [1, 0, 1],
      [6, 1, 0],
    ],
    [[1, 0, 1]],
  ],
  ulc: [
    [
      [1, 1, 1, 0, 1],
      [24, 1, 0, 1, 1],
    ],
    [
      [1, 0, 1, 0, 0],
      [24, 1, 0, 1, 0],
    ],
    [
      [1, 0, 1, 0, 0],
      [24, 0, 0, 1, 0],
    ],
  ],
};
const expected = (method: string) => SAMPLES[{ fnc: 'fnw', defuse: 'es-dfm' }[method] ?? method]!;

describe('samples of a row', () => {
  it.each(delays.names)('%s: those up to a time do not depend on later conversions', (method) => {
    const { samples } = resolve(method);
    const times = [0, 0.5, 1, 1.5, 12, 23.5, 24].map((hours) => hours * HOUR_MS);
    for (const delayMs of times)
      for (const timeMs of times) {
        const upTo = (delay: number | undefined) => samples(delay).filter(({ afterMs }) => afterMs <= timeMs);
        expect([delayMs, timeMs, upTo(delayMs <= timeMs ? delayMs : undefined)]).toEqual([
          delayMs,
          timeMs,
          upTo(delayMs),
        ]);
      }
  });

  it.each(delays.names)('%s: of an early, a late and no conversion, in order of time', (method) => {
    const found = [0.5 * HOUR_MS, 6 * HOUR_MS, undefined].map((delayMs) =>
      resolve(method)
        .samples(delayMs)
        .map(({ afterMs, label, values }) => [afterMs / HOUR_MS, label, ...values]),
    );
    expect(found).toEqual(expected(method));
  });

  it.each(delays.names)('%s: are known at their time, and have all columns', (method) => {
    const { samples, columns, settled } = resolve(method);
    expect(settled).toHaveLength(columns.length);
    for (const delayMs of [0, WAIT_MS, WAIT_MS + 1, WINDOW_MS, undefined])
      for (const { afterMs, label, values } of samples(delayMs)) {
        expect(values).toHaveLength(columns.length);
        if (label === 1) expect(delayMs).toBeLessThanOrEqual(afterMs);
        expect(afterMs).toBeLessThanOrEqual(WINDOW_MS);
      }
  });

  it('every method is tested against PyTorch', () => {
    expect(cases.map(({ method }) => method)).toEqual(delays.names);
  });
});

describe('expected loss over the outcomes of a row', () => {
  // A row of known probabilities: the derivative of the expected loss by the logit must be 0 at the true probability,
  // if auxiliary outputs are true. Then the method is unbiased.
  const [early, late] = [0.15, 0.25];
  const truth = early + late;
  const outcomes = [
    { delayMs: 0.5 * HOUR_MS, share: early },
    { delayMs: 6 * HOUR_MS, share: late },
    { delayMs: undefined, share: 1 - truth },
  ];
  const logit = (p: number): number => Math.log(p / (1 - p));
  const realNegative = (1 - truth) / (1 - early);
  const auxiliary: Readonly<Record<string, readonly number[]>> = {
    'es-dfm': [logit(realNegative), logit(late)],
    defuse: [logit(realNegative), logit(late)],
    defer: [logit(late)],
    'bi-defuse': [logit(late)],
    ulc: [logit(late / (1 - early))],
  };
  /** Probability of the first output, if it is not that of any conversion. */
  const firstOutput: Readonly<Record<string, number>> = { 'bi-defuse': early };

  it.each(['wait', 'fnw', 'es-dfm', 'defer', 'defuse', 'bi-defuse', 'ulc'])('%s is unbiased', async (method) => {
    const delayed = resolve(method);
    const z = [logit(firstOutput[method] ?? truth), ...(auxiliary[method] ?? [])];
    const samples = outcomes.flatMap(({ delayMs, share }) =>
      delayed.samples(delayMs).map((sample) => ({ ...sample, share })),
    );
    const rows = samples.length;
    const plan = planOf(rows, (g, input, y) => {
      const label = (column: string) => g.input({ kind: 'label', column }, 1);
      const loss = delayedLoss(delayed, label);
      const out = g.linear(input, z.length, 'says', { bias: false });
      return {
        predictions: { p: loss.predict(g, out, 'p') },
        terms: [{ name: 'p', weight: 1, loss: buildMean(g, loss, out, y, { weights: label('share') }) }],
      };
    });
    const program = (await engines[0]!.create()).compile(plan);
    program.restore({
      step: 0,
      optimizer: new Map(),
      weights: new Map([
        ['says.weight', { shape: [rows, z.length], data: Float32Array.from(samples.flatMap(() => z)) }],
      ]),
    });
    const ofSamples = (value: (sample: (typeof samples)[number]) => number) => Float32Array.from(samples, value);
    const { gradients } = await program.inspect(
      toBatch({
        rows,
        numbers: new Map(samples.map((_, i) => [`x${i}`, Float32Array.from(samples, (_s, row) => Number(row === i))])),
        labels: new Map([
          ['y', ofSamples(({ label }) => label)],
          ['share', ofSamples(({ share }) => share)],
          ...delayed.columns.map(
            (column, c) => [formatMethodColumn('cvr', column), ofSamples(({ values }) => values[c]!)] as const,
          ),
        ]),
      }),
    );
    const gradient = gradients.get('says.weight')!.data;
    const sum = samples.reduce((total, _, row) => total + gradient[row * z.length]!, 0);
    expect(Math.abs(sum)).toBeLessThan(1e-6);
    // Auxiliary outputs are true, so their expected gradients vanish too.
    for (let output = 1; output < z.length; output++)
      expect(Math.abs(samples.reduce((total, _, row) => total + gradient[row * z.length + output]!, 0))).toBeLessThan(
        1e-6,
      );
    program.dispose();
  });
});
