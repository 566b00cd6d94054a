/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { parameterOptions } from '../../src/study/domains/domains.js';
import { createParzen, normalMass } from '../../src/study/searches/parzen.js';
import type { Observation } from '../../src/study/searches/search.js';
import { searches } from '../../src/study/searches/searches.js';
import { buildSpace, type Point, type Space } from '../../src/study/space.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const [SEEDS, TRIALS] = [20, 100];

const spaceOf = (specs: Readonly<Record<string, unknown>>): Space =>
  buildSpace(Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, parameterOptions.parse(spec)])));

/** Functions with a minimum that people know, and the kinds of parameters that a study has. */
const FUNCTIONS: Readonly<Record<string, { readonly space: Space; readonly cost: (point: Point) => number }>> = {
  sphere: {
    space: spaceOf({
      a: { type: 'uniform', low: -5, high: 5 },
      b: { type: 'uniform', low: -5, high: 5 },
      c: { type: 'uniform', low: -5, high: 5 },
    }),
    cost: ({ a, b, c }) => [a, b, c].reduce<number>((sum, x) => sum + (x as number) ** 2, 0),
  },
  branin: {
    space: spaceOf({ x: { type: 'uniform', low: -5, high: 10 }, y: { type: 'uniform', low: 0, high: 15 } }),
    cost: ({ x, y }) =>
      ((y as number) - (5.1 / (4 * Math.PI ** 2)) * (x as number) ** 2 + (5 / Math.PI) * (x as number) - 6) ** 2 +
      10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x as number) +
      10,
  },
  mixed: {
    space: spaceOf({
      rate: { type: 'log-uniform', low: 1e-5, high: 1 },
      size: { type: 'int', low: 1, high: 64 },
      kind: ['a', 'b', 'c', 'd'],
    }),
    cost: ({ rate, size, kind }) =>
      (Math.log10(rate as number) + 3) ** 2 +
      ((size as number) / 16 - 2) ** 2 +
      ['c', 'b', 'd', 'a'].indexOf(kind as string) * 0.5,
  },
};

const OPTUNA = `
import json, math, sys, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
import warnings; warnings.simplefilter('ignore')
u = lambda t, n, l, h: t.suggest_float(n, l, h)
def sphere(t): return sum(u(t, n, -5, 5) ** 2 for n in 'abc')
def branin(t):
    x, y = u(t, 'x', -5, 10), u(t, 'y', 0, 15)
    valley = y - 5.1 / (4 * math.pi ** 2) * x ** 2 + 5 / math.pi * x - 6
    return valley ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
def mixed(t):
    rate, size = t.suggest_float('rate', 1e-5, 1, log=True), t.suggest_int('size', 1, 64)
    kind = t.suggest_categorical('kind', ['a', 'b', 'c', 'd'])
    return (math.log10(rate) + 3) ** 2 + (size / 16 - 2) ** 2 + ['c', 'b', 'd', 'a'].index(kind) * 0.5
seeds, trials = map(int, sys.argv[1:])
def best(f, seed):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True))
    study.optimize(f, n_trials=trials)
    return study.best_value
print(json.dumps({f.__name__: [best(f, seed) for seed in range(seeds)] for f in (sphere, branin, mixed)}))
`;

/** The least cost of a study of trials one after the other. */
function bestOf(name: string, { space, cost }: (typeof FUNCTIONS)[string], seed: number): number {
  const search = searches.build(searches.schema.parse({ name }), space);
  const seen: Observation[] = [];
  for (let number = 1; number <= TRIALS; number++) {
    const point = search.suggest(number, seen, randomStream(seed, 'trial', number));
    seen.push({ point, cost: cost(point), rung: Infinity });
  }
  return Math.min(...seen.map((trial) => trial.cost!));
}

const bests = (search: string): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, each]) => [
      name,
      Array.from({ length: SEEDS }, (_, seed) => bestOf(search, each, seed)),
    ]),
  );
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** How surely values `a` are larger than values `b`: the z of the Mann-Whitney test. */
function rankZ(a: readonly number[], b: readonly number[]): number {
  const wins = a.reduce((sum, x) => sum + b.reduce((one, y) => one + (x > y ? 1 : x === y ? 0.5 : 0), 0), 0);
  return (wins - (a.length * b.length) / 2) / Math.sqrt((a.length * b.length * (a.length + b.length + 1)) / 12);
}

describe('tpe', () => {
  it(`finds lower costs than random search on ${Object.keys(FUNCTIONS).join(', ')}`, { timeout: 60_000 }, () => {
    const [found, drawn] = [bests('tpe'), bests('random')];
    for (const name of Object.keys(FUNCTIONS)) expect(rankZ(drawn[name]!, found[name]!), name).toBeGreaterThan(3);
  });

  it(
    "is not worse than Optuna's, over 20 seeds of 100 trials each, by a test of ranks",
    { timeout: 300_000 },
    (context) => {
      needsPython(context, 'optuna');
      const theirs = JSON.parse(python(scratchFolder(), OPTUNA, [String(SEEDS), String(TRIALS)])) as Record<
        string,
        readonly number[]
      >;
      const ours = bests('tpe');
      const table = Object.keys(FUNCTIONS).map((name) => ({
        name,
        ours: median(ours[name]!),
        theirs: median(theirs[name]!),
        z: rankZ(ours[name]!, theirs[name]!),
      }));
      console.log(JSON.stringify(table));
      // One-sided, at 1%: z above 2.33 would say that ours finds larger ones.
      for (const { name, z } of table) expect(z, name).toBeLessThan(2.33);
    },
  );

  it('suggests other points while trials are running', () => {
    const { space, cost } = FUNCTIONS['branin']!;
    const search = searches.build(searches.schema.parse({ name: 'tpe' }), space);
    const seen = Array.from({ length: 20 }, (_, i): Observation => {
      const point = search.suggest(i + 1, [], randomStream(1, 'trial', i));
      return { point, cost: cost(point), rung: Infinity };
    });
    const next = (trials: readonly Observation[]): Point => search.suggest(21, trials, randomStream(1, 'next'));
    const first = next(seen);
    const second = next([...seen, { point: first, cost: undefined, rung: Infinity }]);
    const gap = Math.hypot(
      (first['x'] as number) - (second['x'] as number),
      (first['y'] as number) - (second['y'] as number),
    );
    expect(gap).toBeGreaterThan(0);
  });

  describe('before the model decides', () => {
    const conditional = spaceOf({
      model: ['a', 'b', 'c', 'd'],
      rate: { type: 'log-uniform', low: 1e-4, high: 1 },
      bottom: { type: 'choices', values: ['x', 'y', 'z'], when: { model: ['b', 'c'] } },
      gate: { type: 'choices', values: ['p', 'q'], when: { model: 'c', bottom: 'z' } },
      layers: { type: 'int', low: 1, high: 50 },
      last: { type: 'choices', values: [0, 1], when: { layers: 7 } },
      // Never set: no trial can have it.
      never: { type: 'choices', values: ['u', 'v'], when: { model: 'a', bottom: 'x' } },
    });
    /** Points of so many trials, in which one choice looks far better than the others from the start. */
    const pointsOf = (space: Space, seed: number, count: number, options: object = {}): readonly Point[] => {
      const search = searches.build(searches.schema.parse({ name: 'tpe', ...options }), space);
      const seen: Observation[] = [];
      for (let number = 1; number <= count; number++) {
        const point = search.suggest(number, seen, randomStream(seed, 'trial', number));
        seen.push({ point, cost: point['model'] === 'a' ? 0 : 1, rung: Infinity });
      }
      return seen.map(({ point }) => point);
    };
    const values = (points: readonly Point[], name: string): readonly unknown[] =>
      [...new Set(points.filter((point) => Object.hasOwn(point, name)).map((point) => point[name]))].sort();

    it('tries every choice once in as many trials as there are choices', () => {
      const space = spaceOf({
        model: ['a', 'b', 'c', 'd'],
        size: [1, 2, 3],
        rate: { type: 'uniform', low: 0, high: 1 },
      });
      for (let seed = 0; seed < 50; seed++) {
        const points = pointsOf(space, seed, 8);
        expect(values(points.slice(0, 4), 'model')).toEqual(['a', 'b', 'c', 'd']);
        expect(values(points.slice(0, 3), 'size')).toEqual([1, 2, 3]);
        expect(values(points.slice(4), 'model')).toEqual(['a', 'b', 'c', 'd']);
      }
      expect(
        new Set(
          Array.from({ length: 50 }, (_, seed) => JSON.stringify(pointsOf(space, seed, 4).map(({ model }) => model))),
        ).size,
      ).toBeGreaterThan(10);
    });

    it.each([[{}], [{ startupTrials: 0 }]])(
      'tries every choice of a parameter with conditions, too, the same ones by the same seed: %j',
      (options) => {
        for (let seed = 0; seed < 20; seed++) {
          const points = pointsOf(conditional, seed, 12, options);
          expect(['model', 'bottom', 'gate', 'last'].map((name) => values(points, name))).toEqual([
            ['a', 'b', 'c', 'd'],
            ['x', 'y', 'z'],
            ['p', 'q'],
            [0, 1],
          ]);
          for (const point of points)
            expect([Object.hasOwn(point, 'bottom'), Object.hasOwn(point, 'never')]).toEqual([
              ['b', 'c'].includes(point['model'] as string),
              false,
            ]);
          expect(pointsOf(conditional, seed, 12, options)).toEqual(points);
        }
      },
    );

    it('counts running and failed trials as tries', () => {
      const space = spaceOf({ model: ['a', 'b', 'c', 'd'] });
      const search = searches.build(searches.schema.parse({ name: 'tpe' }), space);
      for (const cost of [undefined, null]) {
        const seen: Observation[] = [];
        for (let number = 1; number <= 4; number++)
          seen.push({ point: search.suggest(number, seen, randomStream(3, 'trial', number)), cost, rung: Infinity });
        expect(
          values(
            seen.map(({ point }) => point),
            'model',
          ),
        ).toEqual(['a', 'b', 'c', 'd']);
      }
    });
  });

  it('respects the conditions of a space', () => {
    const space = spaceOf({ kind: ['a', 'b'], size: { type: 'int', low: 1, high: 9, when: { kind: 'b' } } });
    const search = searches.build(searches.schema.parse({ name: 'tpe', startupTrials: 4 }), space);
    const seen: Observation[] = [];
    for (let number = 1; number <= 60; number++) {
      const point = search.suggest(number, seen, randomStream(0, 'trial', number));
      expect(Object.hasOwn(point, 'size')).toBe(point['kind'] === 'b');
      seen.push({ point, cost: point['kind'] === 'b' ? Math.abs((point['size'] as number) - 6) : 3, rung: Infinity });
    }
    expect(seen.slice(30).filter(({ cost }) => cost! <= 1).length).toBeGreaterThan(15);
  });
});

describe('the density of trials', () => {
  it('integrates to one on lines, steps and choices', () => {
    const space = spaceOf({
      x: { type: 'uniform', low: -1, high: 2 },
      n: { type: 'int', low: 1, high: 5 },
      kind: ['a', 'b', 'c'],
    });
    const parzen = createParzen(
      space,
      [
        { x: 0.3, n: 2, kind: 'a' },
        { x: 1.9, n: 5, kind: 'c' },
      ],
      [0.5, 1],
    );
    const steps = 600;
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      for (let n = 1; n <= 5; n++)
        for (let kind = 0; kind < 3; kind++)
          sum +=
            (3 / steps) *
            Math.exp(
              parzen.logDensity(
                new Map([
                  [space[0]!, -1 + (3 * (i + 0.5)) / steps],
                  [space[1]!, n],
                  [space[2]!, kind],
                ]),
              ),
            );
    }
    expect(sum).toBeCloseTo(1, 4);
  });

  it('matches tables of the normal distribution', () => {
    expect(normalMass(-1, 1)).toBeCloseTo(0.682689492, 6);
    expect(normalMass(5, 6) / 2.85665e-7).toBeCloseTo(1, 4);
    expect(normalMass(-6, -5)).toBe(normalMass(5, 6));
  });
});
