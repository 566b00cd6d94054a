import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ScheduleState } from '../../src/schedules/schedule.js';
import { toIssues } from '../../src/config/issues.js';
import type { TrainingLength } from '../../src/schedules/options.js';
import { buildSchedule, scheduleSchema, schedules, type ScheduleSpec } from '../../src/schedules/schedules.js';

/** For each schedule: the options that it needs, and for each of its options a value that is not the default. */
const OPTIONS: {
  readonly [Name in ScheduleSpec['name']]: { readonly needed: object; readonly odd: Readonly<Record<string, unknown>> };
} = {
  constant: { needed: {}, odd: {} },
  step: { needed: { everySteps: 10 }, odd: { everySteps: 7, factor: 0.3, minFactor: 0.05 } },
  exponential: { needed: { everySteps: 10 }, odd: { everySteps: 7, factor: 0.3, minFactor: 0.05 } },
  polynomial: { needed: { steps: 20 }, odd: { steps: 17, power: 2.5, minFactor: 0.05 } },
  cosine: { needed: { steps: 20 }, odd: { steps: 17, minFactor: 0.05, restarts: { tMult: 2 } } },
  'one-cycle': {
    needed: { steps: 20 },
    odd: {
      steps: 17,
      warmupShare: 0.4,
      startFactor: 0.2,
      finalFactor: 0.01,
      annealStrategy: 'linear',
      threePhase: true,
    },
  },
  plateau: { needed: {}, odd: { factor: 0.3, patience: 3, minDelta: 0.1, cooldown: 2, minFactor: 0.05 } },
};

const caseSchema = z.strictObject({
  schedule: z.looseObject({ name: z.string() }),
  baseRate: z.number(),
  /** Of a plateau: what was measured after each step. */
  goal: z.enum(['higher', 'lower']).default('lower'),
  monitored: z.array(z.number()).optional(),
  rates: z.array(z.number()),
});

const casesOf = (name: string): z.output<typeof caseSchema>[] =>
  z
    .array(caseSchema)
    .min(1)
    .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'cases', `${name}.json`), 'utf8')));

/** Better by less and less, then not at all. */
const MEASURED = Array.from({ length: 60 }, (_, step) => 1 - Math.min(0.85, 0.95 * (1 - 0.7 ** step)));

/** Training of this many steps in epochs of 10. */
const trainingOf = (steps: number): TrainingLength => ({ steps, stepsPerEpoch: 10 });

interface Run {
  readonly factors: readonly number[];
  /** What was remembered before each step. */
  readonly states: readonly ScheduleState[];
}

/** The factors of the steps from `from` on, with a measurement after each. */
function run(
  spec: unknown,
  measured: readonly (number | null)[] = MEASURED,
  goal: 'higher' | 'lower' = 'lower',
  from = 0,
  first?: ScheduleState,
): Run {
  const schedule = buildSchedule(scheduleSchema.parse(spec));
  let state = first ?? schedule.first(trainingOf(MEASURED.length));
  const states: ScheduleState[] = [];
  const factors = measured.slice(from).map((value, i) => {
    states.push(state);
    const factor = schedule.factor(from + i, state);
    state = schedule.observe?.(state, value, goal) ?? state;
    return factor;
  });
  return { factors, states };
}

const problemsOf = (spec: unknown): string[] =>
  toIssues(scheduleSchema.safeParse(spec, { reportInput: true }).error?.issues ?? [], scheduleSchema, spec).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

describe('every schedule', () => {
  for (const part of schedules.parts) {
    const { name } = part;
    const { needed, odd } = OPTIONS[name];
    const least = { name, ...needed };
    const keys = Object.keys(part.options());
    const variants = [
      least,
      ...keys.map((key) => ({ ...least, [key]: odd[key] })),
      { ...least, ...odd },
      { ...least, ...odd, warmup: { steps: 5 } },
      { ...least, ...odd, warmup: '25%' },
      ...keys
        .filter((key) => /steps$/i.test(key))
        .map((key) => ({ ...least, [key]: '1.5 epochs', warmup: '0.5 epochs' })),
    ];

    it(`${name} matches the rates of PyTorch`, () => {
      for (const { schedule, baseRate, goal, monitored, rates } of casesOf(name)) {
        const { factors } = run(schedule, monitored ?? rates.map(() => null), goal);
        factors.forEach((factor, step) => {
          const off = Math.abs(factor * baseRate - rates[step]!);
          expect(
            off,
            `${JSON.stringify(schedule)} at step ${step}: ${factor * baseRate}, not ${rates[step]}`,
          ).toBeLessThanOrEqual(1e-12 * rates[step]! + 1e-30);
        });
      }
    });

    it(`${name} depends on each of its options`, () => {
      expect(Object.keys(odd)).toEqual(keys);
      for (const key of keys) expect(run({ ...least, [key]: odd[key] }).factors, key).not.toEqual(run(least).factors);
    });

    it(`${name} is finite and nonnegative for any length of training`, () => {
      for (const spec of variants) {
        const schedule = buildSchedule(scheduleSchema.parse(spec));
        const { factors, states } = run(spec);
        const late = [100, 12_345, 1e6, 1e9, 1e15].flatMap((step) =>
          [states[0]!, states[59]!].map((state) => schedule.factor(step, state)),
        );
        expect([...factors, ...late].filter((factor) => !(Number.isFinite(factor) && factor >= 0))).toEqual([]);
      }
    });

    it(`${name} resumes from any step with its JSON state`, () => {
      for (const spec of variants) {
        const stateSchema = z.strictObject(buildSchedule(scheduleSchema.parse(spec)).stateShape);
        const whole = run(spec);
        whole.states.forEach((state, step) => {
          const read = stateSchema.parse(JSON.parse(JSON.stringify(state)));
          expect(run(spec, MEASURED, 'lower', step, read).factors).toEqual(whole.factors.slice(step));
        });
        expect(stateSchema.safeParse({ ...whole.states[0], nonsense: 1 }).success).toBe(false);
      }
    });

    it(`${name} rises linearly during warmup and is unchanged after it`, () => {
      // Always better, so that no plateau falls.
      const better = Array.from({ length: 60 }, (_, step) => 1 - step / 100);
      const { factors } = run({ ...least, warmup: { steps: 10, startFactor: 0.25 } }, better);
      const own = run(least, better).factors;
      factors.slice(0, 10).forEach((factor, step) => expect(factor).toBeCloseTo(own[0]! * (0.25 + 0.075 * step), 12));
      expect(factors.slice(10)).toEqual(own.slice(0, 50));
    });

    it(`${name} rejects unknown options`, () => {
      expect(problemsOf({ ...least, nonsense: 1 })).toHaveLength(1);
    });

    for (const key of keys.filter((key) => /steps$/i.test(key))) {
      it(`${name} accepts only lengths as ${key}, and explains how to count them`, () => {
        expect(problemsOf({ name })).toHaveLength(key === 'steps' ? 0 : 1);
        for (const value of [0, -5, 0.5, 1e300]) {
          expect(problemsOf({ ...least, [key]: value })).toEqual([
            expect.stringMatching(
              /^\w+: expected an integer of at least 1, found \S+; .*an epoch has \(training rows \/ training\.batchSize\) steps/,
            ) as string,
          ]);
        }
      });
    }

    for (const key of keys.filter((key) => /steps$/i.test(key))) {
      it(`${name} computes ${key} and the warmup from epochs and shares of training`, () => {
        // 25% of 60 steps, and 1.5 of the epochs of 10 steps.
        for (const [relative, steps] of [
          ['25%', 15],
          ['1.5 epochs', 15],
        ] as const) {
          expect(run({ ...least, [key]: relative }).factors).toEqual(run({ ...least, [key]: steps }).factors);
          // 40% of the 45 steps after the warmup.
          expect(run({ ...least, [key]: '40%', warmup: relative }).factors).toEqual(
            run({ ...least, [key]: 18, warmup: { steps } }).factors,
          );
        }
        expect(problemsOf({ ...least, [key]: '0%' })).toEqual([
          expect.stringMatching(/share above 0% and at most 100%/),
        ]);
      });
    }

    if (keys.includes('steps')) {
      it(`${name} is constant after its steps`, () => {
        const schedule = buildSchedule(scheduleSchema.parse(least));
        const end = schedule.factor(20, schedule.first(trainingOf(1)));
        for (const step of [21, 40, 61, 1e9]) expect(schedule.factor(step, schedule.first(trainingOf(1)))).toBe(end);
      });

      it(`${name} without steps uses the initial length of training, also after a warmup`, () => {
        for (const [shape, trainingSteps] of [
          [{}, 20],
          [{ warmup: { steps: 5 } }, 25],
        ] as const) {
          const first = buildSchedule(scheduleSchema.parse({ name, ...shape })).first(trainingOf(trainingSteps));
          expect(run({ name, ...shape }, MEASURED, 'lower', 0, first).factors).toEqual(
            run({ name, steps: 20, ...shape }).factors,
          );
        }
      });

      it(`${name} has finite rates for very short training`, () => {
        for (let steps = 1; steps < 12; steps++) {
          const schedule = buildSchedule(scheduleSchema.parse({ name, warmup: { steps: 3 } }));
          const factors = Array.from({ length: steps + 2 }, (_, step) =>
            schedule.factor(step, schedule.first(trainingOf(steps))),
          );
          expect(
            factors.every((factor) => factor >= 0 && factor <= 1),
            `${steps} steps: ${factors.join(', ')}`,
          ).toBe(true);
        }
      });
    }
  }

  it('defaults to constant', () => {
    expect(new Set(run({}).factors)).toEqual(new Set([1]));
    expect(scheduleSchema.parse({})).toEqual({ name: 'constant', embeddingScale: 1 });
  });

  it('rejects a warmup of 0 steps with the same hint', () => {
    expect(problemsOf({ warmup: { steps: 0 } })).toEqual([
      expect.stringContaining('warmup.steps: expected an integer of at least 1, found 0; ') as string,
    ]);
  });
});

describe('cosine', () => {
  it('returns to its start at each restart, with cycle lengths in the configured ratio', () => {
    const { factors } = run({ name: 'cosine', steps: 4, restarts: { tMult: 3 } });
    expect(factors.flatMap((factor, step) => (factor === 1 ? [step] : []))).toEqual([0, 4, 16, 52]);
  });
});

describe('one-cycle', () => {
  it('rejects a rise without an intermediate step, with the required length', () => {
    expect(problemsOf({ name: 'one-cycle', steps: 3 })).toEqual([
      'warmupShare: expected at least 2 rising steps, found 0.3 × 3 steps; use a larger value, or at least 7 steps',
    ]);
    expect(problemsOf({ name: 'one-cycle', steps: 7 })).toEqual([]);
  });

  it('rejects three phases that do not fit', () => {
    expect(problemsOf({ name: 'one-cycle', steps: 100, warmupShare: 0.6, threePhase: true })).toEqual([
      expect.stringMatching(
        /^warmupShare: expected a rise, an equally long fall and a final phase, .* use a value below 0\.5$/,
      ) as string,
    ]);
    expect(problemsOf({ name: 'one-cycle', steps: 100, warmupShare: 0.49, threePhase: true })).toEqual([]);
  });
});

describe('plateau', () => {
  const spec = { name: 'plateau', factor: 0.5, patience: 2 };

  it('counts an undefined measurement as no improvement', () => {
    expect(run(spec, [1, null, null, 0.5, null, null, null]).factors).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.25]);
  });

  it('applies its patience to the first measurement too', () => {
    expect(run(spec, [null, null, null]).factors).toEqual([1, 1, 0.5]);
  });

  it('respects the direction of improvement', () => {
    const rising = [0.1, 0.2, 0.3, 0.4, 0.5];
    expect(run(spec, rising, 'higher').factors).toEqual([1, 1, 1, 1, 1]);
    expect(run(spec, rising, 'lower').factors).toEqual([1, 1, 1, 0.5, 0.5]);
  });
});
