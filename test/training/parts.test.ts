/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { schedules } from '../../src/schedules/schedules.js';
import { weightings } from '../../src/weightings/weightings.js';
import { oddOptions } from '../support/optimizer-host.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, smallWorld, traceOf, trainSmall } from '../support/small-run.js';
import { eachByNight } from '../support/each-by-night.js';

// Every part of a step through whole trainings: each with the options that it cannot do without, and with odd ones.

/** The least that a part's options have to say, and odd ones. */
interface Options {
  readonly least?: object;
  readonly odd: object;
}

const SCHEDULES: Readonly<Record<(typeof schedules.names)[number], Options>> = {
  constant: { odd: { warmup: { steps: 7, startFactor: 0.1 }, embeddingScale: 0.5 } },
  step: { least: { everySteps: 3 }, odd: { everySteps: 2, factor: 0.7, minFactor: 0.3, warmup: { steps: 2 } } },
  exponential: { least: { everySteps: 3 }, odd: { everySteps: 20, factor: 0.5, minFactor: 0.3, embeddingScale: 2 } },
  polynomial: { least: { steps: 8 }, odd: { steps: 12, power: 2, minFactor: 0.1 } },
  cosine: { least: { steps: 8 }, odd: { steps: 3, minFactor: 0.1, restarts: { tMult: 2 }, warmup: { steps: 2 } } },
  'one-cycle': {
    least: { steps: 9 },
    odd: {
      steps: 20,
      warmupShare: 0.4,
      startFactor: 0.5,
      finalFactor: 0.1,
      annealStrategy: 'linear',
      threePhase: true,
    },
  },
  // So much progress is none, so that it falls.
  plateau: { least: { minDelta: 0.9 }, odd: { factor: 0.5, patience: 2, minDelta: 0.9, cooldown: 1, minFactor: 0.1 } },
};

const WEIGHTINGS: Readonly<Record<(typeof weightings.names)[number], Options>> = {
  fixed: { odd: {} },
  uncertainty: { odd: { learningRate: 0.1, initLogVariance: 0.5 } },
  dwa: { odd: { temperature: 0.5, everySteps: 2 } },
  famo: { odd: { learningRate: 0.1, gamma: 0.01 } },
  gradnorm: { odd: { alpha: 0.5, learningRate: 0.1, initialSteps: 4 } },
  metabalance: { odd: { target: 'cvr', relaxFactor: 0.5, beta: 0.5 } },
  pcgrad: { odd: {} },
  cagrad: { odd: { c: 0.3 } },
  mgda: { odd: { normalization: 'l2' } },
  'nash-mtl': { odd: { maxNorm: 2 } },
  'aligned-mtl': { odd: { scaleMode: 'mean' } },
  fairgrad: { odd: { alpha: 2, maxNorm: 2 } },
  'imtl-g': { odd: {} },
  'imtl-l': { odd: { learningRate: 0.1 } },
  upgrad: { odd: {} },
  stch: { odd: { mu: 0.2, warmupSteps: 2 } },
  'db-mtl': { odd: {} },
};

const MODELS = ['esmm', 'mmoe'] as const;
/** Odd options come with steps of several batches and clipped gradients. */
const EXTRAS = [
  ['training.batchSize=128'],
  ['training.batchSize=32', 'training.accumulateBatches=3', 'training.clip={norm: 0.2, separate: true, value: 0.05}'],
] as const;

/** Both cases of a part. */
function casesOf(
  name: string,
  { least = {}, odd }: Options,
): readonly (readonly [string, string, object, readonly string[]])[] {
  return [least, odd].map((options, i) => [name, MODELS[i]!, { name, ...options }, EXTRAS[i]!] as const);
}

let world: string;
beforeAll(async () => smallWorld((world = mkdtempSync(join(tmpdir(), 'mtl-parts-')))), 60_000);
afterAll(() => rmSync(world, { recursive: true, force: true }));

/** A line of metrics.jsonl about some steps. */
interface StepLine {
  readonly train: { readonly loss: number; readonly losses: Readonly<Record<string, number>> };
  readonly lrFactors: { readonly dense: number; readonly embeddings: number };
  readonly lossWeights: Readonly<Record<string, number>>;
}

/** Steps; an epoch has 8 or 10. */
const STOPPED_AT = 11;

/**
 * Trains straight through, and stopped within an epoch and gone on with: the same to the byte.
 * @returns what was logged of each step
 */
async function trainTwice(model: string, parts: readonly string[]): Promise<readonly StepLine[]> {
  const config = join(world, `${model}.yaml`);
  const set = [
    'training.epochs=3',
    'training.logEverySteps=1',
    'training.evaluation={everySteps: 4}',
    'training.monitor=ctr.auc',
    ...parts,
  ];
  const [straight, run] = ['straight', 'run'].map((name) => join(scratchFolder(), name)) as [string, string];
  await trainSmall(config, { runDir: straight, set });
  const { signal, on } = abortAtStep(STOPPED_AT);
  expect((await trainSmall(config, { runDir: run, set, signal, on })).end).toBe('interrupted');
  await trainSmall(config, { resume: run, set });
  expect(traceOf(run)).toEqual(traceOf(straight));
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  const steps = lines.filter((line): line is StepLine => 'lrFactors' in line);
  expect(steps.length).toBeGreaterThan(STOPPED_AT);
  for (const { train } of steps) expect([train.loss, ...Object.values(train.losses)].every(Number.isFinite)).toBe(true);
  return steps;
}

const different = (values: readonly unknown[]): number => new Set(values.map((value) => JSON.stringify(value))).size;

describe('an interrupted run resumes byte for byte', () => {
  eachByNight(schedules.names.flatMap((name) => casesOf(name, SCHEDULES[name])))(
    'under the schedule %s (%s, %j)',
    {},
    async (name, model, options, extras) => {
      const steps = await trainTwice(model, [`training.schedule=${JSON.stringify(options)}`, ...extras]);
      if (name !== 'constant' || 'warmup' in options)
        expect(different(steps.map(({ lrFactors }) => lrFactors))).toBeGreaterThan(1);
    },
  );

  eachByNight(weightings.names.flatMap((name) => casesOf(name, WEIGHTINGS[name])))(
    'under the weighting %s (%s, %j)',
    {},
    async (name, model, options, extras) => {
      const steps = await trainTwice(model, [`training.lossWeighting=${JSON.stringify(options)}`, ...extras]);
      // The terms of esmm do not conflict here.
      const isStill = name === 'fixed' || (name === 'pcgrad' && model === 'esmm');
      if (!isStill) expect(different(steps.map(({ lossWeights }) => lossWeights))).toBeGreaterThan(1);
    },
  );

  it.each(
    optimizers.parts.flatMap((part) =>
      casesOf(part.name, { odd: oddOptions(part.name, 0.01) }).map(([, ...rest]) => [part, ...rest] as const),
    ),
  )('under the optimizer $name (%s, %j)', async ({ unit }, model, options, extras) => {
    const dense = unit === 'row' ? [] : [`training.optimizer.dense=${JSON.stringify(options)}`];
    await trainTwice(model, [
      ...dense,
      `training.optimizer.embeddings=${JSON.stringify({ ...options, lazy: model === 'esmm' })}`,
      ...extras,
    ]);
  });
});
