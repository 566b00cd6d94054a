import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { weightings, type WeightingSpec } from '../../src/weightings/weightings.js';
import { stepOf } from './drive.js';
import { gramianOf, runToy, type ToyStep } from './toy.js';

// What every weighting promises. A new one says here what is true of it, or does not compile.

interface Claims {
  /** A value of each option that changes the weights. */
  readonly odd: Record<string, unknown>;
  /** A term whose loss is scaled by 100 does not drown the other. */
  readonly lifts: boolean;
  /** Terms in another order have the same weights. */
  readonly anyOrder: boolean;
}

const CLAIMS: Record<WeightingSpec['name'], Claims> = {
  fixed: { odd: {}, lifts: false, anyOrder: true },
  uncertainty: { odd: { learningRate: 0.3, initLogVariance: 1 }, lifts: true, anyOrder: true },
  dwa: { odd: { temperature: 0.5, everySteps: 3 }, lifts: false, anyOrder: true },
  gradnorm: { odd: { alpha: 0.3, learningRate: 0.3, initialSteps: 2 }, lifts: true, anyOrder: true },
  // Each step draws an order.
  pcgrad: { odd: {}, lifts: false, anyOrder: false },
  cagrad: { odd: { c: 0.1 }, lifts: true, anyOrder: true },
  mgda: { odd: { normalization: 'loss' }, lifts: true, anyOrder: true },
  metabalance: { odd: { target: 'term3', relaxFactor: 1, beta: 0.2 }, lifts: true, anyOrder: true },
  famo: { odd: { learningRate: 0.3, gamma: 0.5 }, lifts: true, anyOrder: true },
  'nash-mtl': { odd: { maxNorm: 0.3 }, lifts: true, anyOrder: true },
  'aligned-mtl': { odd: { scaleMode: 'mean' }, lifts: true, anyOrder: true },
  fairgrad: { odd: { alpha: 2, maxNorm: 0.3 }, lifts: true, anyOrder: true },
  'imtl-g': { odd: {}, lifts: true, anyOrder: true },
  'imtl-l': { odd: { learningRate: 0.3 }, lifts: true, anyOrder: true },
  // Without a conflict, it is the mean.
  upgrad: { odd: {}, lifts: false, anyOrder: true },
  stch: { odd: { mu: 0.2, warmupSteps: 10 }, lifts: true, anyOrder: true },
  'db-mtl': { odd: {}, lifts: true, anyOrder: true },
};

const built = (name: string, options: object = {}) => weightings.build(weightings.schema.parse({ name, ...options }));
const TOY = { scales: [1, 3, 0.5], points: [1, 2, 3] };
const weightsOf = (steps: readonly ToyStep[]) => steps.map(({ weights }) => weights);

for (const { name, options } of weightings.parts) {
  const { odd, lifts, anyOrder } = CLAIMS[name];

  describe(`the weighting ${name}`, () => {
    it('has a non-default test value for each of its options', () => {
      expect(Object.keys(odd).sort()).toEqual(Object.keys(options()).sort());
    });

    it.each(Object.entries(odd))('depends on its option %s', (option, value) => {
      // More steps than any warmup.
      expect(weightsOf(runToy(built(name, { [option]: value }), TOY, 110))).not.toEqual(
        weightsOf(runToy(built(name), TOY, 110)),
      );
    });

    it("starts from the config's weights for any number of terms", () => {
      const weighting = built(name);
      for (const terms of [1, 2, 7]) {
        const config = Array.from({ length: terms }, (_, i) => 1 + i / 4);
        expect(weighting.weights(weighting.first(config, 1, config.map(String)))).toHaveLength(terms);
      }
    });

    it("scales with the config's weights", () => {
      const heavier = runToy(built(name), { ...TOY, weights: [1, 1, 4] }, 1)[0]!.weights;
      const alike = runToy(built(name), TOY, 1)[0]!.weights;
      expect(heavier[2]! / heavier[0]!).toBeGreaterThan(1.5 * (alike[2]! / alike[0]!));
      // Twice the weights are twice the step.
      runToy(built(name), { ...TOY, weights: [2, 2, 2] }, 1)[0]!.weights.forEach((weight, i) =>
        expect(weight).toBeCloseTo(2 * alike[i]!, 9),
      );
    });

    it.each([1, 2, 5, 9, 17])('resumes from its JSON state after step %i with identical results', (stop) => {
      const weighting = built(name, odd);
      const through = (state: object, step: number): object =>
        step === stop ? weighting.stateSchema.parse(JSON.parse(JSON.stringify(state))) : state;
      expect(weightsOf(runToy(weighting, TOY, 24, through))).toEqual(weightsOf(runToy(weighting, TOY, 24)));
    });

    it('does not modify its input state', () => {
      const weighting = built(name);
      const [{ seen, state }] = runToy(weighting, TOY, 5).slice(-1) as [ToyStep];
      const before = structuredClone(state);
      stepOf(weighting, state, { ...seen, lossesAfter: seen.losses.map((loss) => loss / 2) });
      // As JSON, -0 is 0, and NaN is Infinity.
      expect(state).toEqual(before);
    });

    it('rejects a state of another form', () => {
      const weighting = built(name);
      const state = weighting.first([1, 1], 1, ['a', 'b']);
      expect(weighting.stateSchema.safeParse(state).success).toBe(true);
      for (const wrong of [{}, { ...state, configWeights: ['1', null] }, { ...state, more: 1 }]) {
        expect(weighting.stateSchema.safeParse(wrong).success).toBe(false);
      }
    });

    it.each([NaN, Infinity, -Infinity])('ignores %s', (bad) => {
      const weighting = built(name);
      const [{ seen, state }] = runToy(weighting, TOY, 6).slice(-1) as [ToyStep];
      const spoilt = [
        { ...seen, losses: [1, bad, 1] },
        { ...seen, gramian: seen.gramian!.map((value, at) => (at === 4 ? bad : value)) },
        { ...seen, lossesAfter: [1, 1, bad] },
      ];
      for (const each of spoilt) expect(weighting.observe(state, each)).toEqual(state);
    });

    it('keeps its state and weights finite for losses and gradients of any magnitude', () => {
      const weighting = built(name);
      const sizes = [0, 1e-308, 1e-160, 1e-30, 1, 1e30, 1e150, 1e308];
      let state = runToy(weighting, TOY, 6).at(-1)!.state;
      for (const one of sizes) {
        for (const other of sizes) {
          const seen = {
            losses: [one, other, 1],
            gramian: Float64Array.of(one, 0, 0, 0, other, 0, 0, 0, 1),
            lossesAfter: [other, one, 1],
            step: 9,
            epoch: 3,
          };
          const taken = stepOf(weighting, state, seen);
          state = taken.state;
          expect(weighting.stateSchema.safeParse(state).success).toBe(true);
          expect(taken.weights.every(Number.isFinite)).toBe(true);
        }
      }
    });

    if (anyOrder) {
      it('does not depend on the order of the terms', () => {
        const order = [2, 0, 1];
        const moved = { scales: order.map((i) => TOY.scales[i]!), points: order.map((i) => TOY.points[i]!) };
        // The target is the first term unless it is named.
        const named = 'target' in options() ? { target: 'term1' } : {};
        const plain = weightsOf(runToy(built(name, named), TOY, 30));
        weightsOf(runToy(built(name, named), moved, 30)).forEach((weights, step) =>
          order.forEach((i, at) => expect(weights[at]).toBeCloseTo(plain[step]![i]!, 8)),
        );
      });
    }

    it(
      lifts
        ? 'does not let a term drown another whose loss is a hundredth of its own'
        : 'lets a term whose loss is a hundredfold have its way',
      () => {
        const weighting = built(name);
        // Both lose a hundredth in each step; their gradients have a cosine of 0.3.
        const seen = {
          losses: [50, 0.5],
          lossesAfter: [49.5, 0.495],
          gramian: Float64Array.of(1e4, 30, 30, 1),
          epoch: 1,
        };
        let state = weighting.first([1, 1], 1, ['loud', 'quiet']);
        let weights: readonly number[] = [];
        for (let step = 1; step <= 2000; step++) ({ weights, state } = stepOf(weighting, state, { ...seen, step }));
        // The length of the quiet term's weighted gradient among both.
        const part = weights[1]! / (100 * weights[0]! + weights[1]!);
        if (lifts) expect(part).toBeGreaterThan(0.3);
        else expect(part).toBeCloseTo(1 / 101, 6);
      },
    );
  });
}

describe('every weighting that requires the Gramian', () => {
  const gramians: [string, number, Float64Array][] = [2, 3, 5, 20].flatMap((terms) => {
    const random = randomStream(terms, 'degenerate');
    const drawn = (width: number) =>
      Array.from({ length: terms }, () => Array.from({ length: width }, () => random.normal()));
    const one = drawn(8);
    const degenerate: [string, number[][]][] = [
      ['all zero', one.map((row) => row.map(() => 0))],
      ['one zero', one.map((row, i) => (i === 0 ? row.map(() => 0) : row))],
      ['all but one zero', one.map((row, i) => (i > 0 ? row.map(() => 0) : row))],
      ['equal', one.map(() => one[0]!)],
      ['opposite', one.map((_, i) => one[0]!.map((value) => (i % 2 === 0 ? value : -value)))],
      ['of one line, of all lengths', one.map((_, i) => one[0]!.map((value) => value * (i - 1.5)))],
      ['of few dimensions', drawn(2)],
      ['of lengths far apart', one.map((row, i) => row.map((value) => value * 10 ** (-2 * i)))],
      [
        'equal but for rounding',
        one.map(() => one[0]!.map((value) => Math.fround(value * (1 + 1e-7 * random.normal())))),
      ],
    ];
    return degenerate.map(([what, gradients]): [string, number, Float64Array] => [what, terms, gramianOf(gradients)]);
  });

  for (const { name, options } of weightings.parts) {
    if (built(name).needs !== 'gramian') continue;
    const variants = [
      {},
      CLAIMS[name].odd,
      ...('normalization' in options() ? ['l2', 'loss+'].map((normalization) => ({ normalization })) : []),
    ]
      // The odd target is a term of the toy.
      .map((variant) => ({ ...variant, ...('target' in options() ? { target: 'a0' } : {}) }));

    it.each(gramians)(`${name} has finite weights for %i gradients that are %s`, (_what, terms, gramian) => {
      for (const variant of variants) {
        const weighting = built(name, variant);
        const losses = Array.from({ length: terms }, () => 0.7);
        const first = weighting.first(
          losses.map(() => 1),
          1,
          losses.map((_, i) => `a${i}`),
        );
        const state = weighting.observe(first, { losses, gramian, step: 1, epoch: 1 });
        // A state that is refused for what is not finite stays what it was.
        expect(state).not.toBe(first);
        expect(weighting.weights(state).every(Number.isFinite)).toBe(true);
      }
    });
  }

  it.each(['mgda', 'cagrad', 'nash-mtl', 'aligned-mtl', 'pcgrad', 'fairgrad', 'imtl-g', 'upgrad'])(
    '%s gives equal gradients equal weights',
    (name) => {
      const weighting = built(name);
      const seen = { losses: [1, 1, 1], gramian: Float64Array.of(4, 4, 0, 4, 4, 0, 0, 0, 9), step: 1, epoch: 1 };
      const [one, other] = weighting.weights(weighting.observe(weighting.first([1, 1, 1], 1, ['a', 'b', 'c']), seen));
      expect(one).toBeCloseTo(other!, 6);
      expect(one).toBeGreaterThan(0);
    },
  );
});

describe('a step without a gradient of one term, as in a batch without its rows', () => {
  const seen = { losses: [0.5, 0], gramian: Float64Array.of(4, 0, 0, 0), step: 1, epoch: 1 };
  // MGDA's shortest mean is 0 then, by its definition.
  const moving = weightings.names.filter((name) => name !== 'mgda');

  it.each(moving)('still decreases the other term with %s', (name) => {
    const weighting = built(name);
    expect(stepOf(weighting, weighting.first([1, 1], 1, ['a', 'b']), seen).weights[0]).toBeGreaterThan(0.1);
  });

  it('also does with mgda and normalized gradients', () => {
    const weighting = built('mgda', { normalization: 'l2' });
    expect(stepOf(weighting, weighting.first([1, 1], 1, ['a', 'b']), seen).weights).toEqual([0.5, 0]);
  });
});

describe('Nash bargaining and the minimum-norm combination', () => {
  it.each([2, 4, 9, 20])('satisfy their definitions for %i terms', (terms) => {
    const random = randomStream(terms, 'definitions');
    const gramian = gramianOf(
      Array.from({ length: terms }, () => Array.from({ length: 30 }, () => random.normal() + 0.2)),
    );
    const weightsOfStep = (name: string, options: object): readonly number[] => {
      const weighting = built(name, options);
      const losses = Array.from({ length: terms }, () => 1);
      return weighting.weights(
        weighting.observe(weighting.first(losses, 1, losses.map(String)), { losses, gramian, step: 1, epoch: 1 }),
      );
    };
    const products = (weights: readonly number[]) =>
      weights.map((_, i) => weights.reduce((sum, weight, j) => sum + weight * gramian[i * terms + j]!, 0));

    const bargain = weightsOfStep('nash-mtl', { maxNorm: 0 });
    products(bargain).forEach((product, i) => expect(product * bargain[i]!).toBeCloseTo(1, 6));

    const shortest = weightsOfStep('mgda', {});
    expect(shortest.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    expect(Math.min(...shortest)).toBeGreaterThanOrEqual(0);
    const square = products(shortest).reduce((sum, product, i) => sum + product * shortest[i]!, 0);
    expect(Math.min(...products(shortest))).toBeGreaterThan(square * (1 - 1e-7));
  });
});

describe('aligned-mtl', () => {
  it('ignores directions of gradients that differ only by single-precision rounding', () => {
    const weighting = built('aligned-mtl');
    const random = randomStream(1, 'rounding');
    const one = Array.from({ length: 50 }, () => random.normal());
    const gramian = gramianOf([
      one.map(Math.fround),
      one.map((value) => Math.fround(value * (1 + 1e-7 * random.normal()))),
    ]);
    const weights = weighting.weights(
      weighting.observe(weighting.first([1, 1], 1, ['a', 'b']), { losses: [1, 1], gramian, step: 1, epoch: 1 }),
    );
    weights.forEach((weight) => expect(weight).toBeCloseTo(0.5, 6));
  });
});

describe('cagrad', () => {
  // Along one line, the best within the ball for the worst-off of 1 and -2 is the end of the ball on the side of the
  // first.
  it('favors the worst term if the mean gradient is 0', () => {
    const weighting = built('cagrad', { c: 0.5 });
    const seen = { losses: [1, 1], gramian: gramianOf([[1], [-2]]), step: 1, epoch: 1 };
    const weights = weighting.weights(weighting.observe(weighting.first([1, 1], 1, ['a', 'b']), seen));
    expect(weights[0]).toBeCloseTo(0.75, 9);
    expect(weights[1]).toBeCloseTo(0.5, 9);
  });
});

describe('metabalance', () => {
  it('lists the terms if its target is unknown', () => {
    const checked = (target: string) => [...built('metabalance', { target }).checkTerms!(['ctr', 'ctcvr'])];
    expect(checked('cvr')).toEqual([
      {
        path: ['target'],
        message: expect.stringMatching(/^expected a loss term \(ctr, ctcvr\), found "cvr"; did you mean 'ct/) as string,
      },
    ]);
    expect(checked('ctcvr')).toEqual([]);
  });
});
