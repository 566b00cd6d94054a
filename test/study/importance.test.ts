/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { computeImportances } from '../../src/study/importance.js';
import type { ListedTrial } from '../../src/study/leaderboard.js';
import { studyOptions } from '../../src/study/options.js';
import { buildSpace, drawCoordinate, gridPoints, choosePoint, type Point } from '../../src/study/space.js';

const studyOf = (space: object, goal: 'higher' | 'lower' = 'higher') => {
  const options = studyOptions.parse({ name: 's', config: 'c', metric: 'ctr.auc', space, trials: 10 });
  return { options, goal, space: buildSpace(options.space) };
};
const trialsOf = (points: readonly Point[], valueOf: (point: Point) => number): readonly ListedTrial[] =>
  points.map((point, i) => ({
    number: i + 1,
    state: 'finished',
    value: valueOf(point),
    deviation: null,
    point,
    metrics: {},
    runs: [],
    elapsedMs: 0,
  }));
const sharesOf = (
  study: ReturnType<typeof studyOf>,
  trials: readonly ListedTrial[],
): Readonly<Record<string, number>> =>
  Object.fromEntries(computeImportances(study, trials).map(({ parameter, share }) => [parameter.name, share]));
const drawnPoints = (study: ReturnType<typeof studyOf>, count: number): readonly Point[] =>
  Array.from({ length: count }, (_, i) => {
    const random = randomStream(3, 'point', i);
    return choosePoint(study.space, ({ domain }) => drawCoordinate(domain.axis, random));
  });

describe('the importance of a parameter', () => {
  it('matches a manual calculation on a grid of choices', () => {
    const study = studyOf({ a: [0, 1], b: [0, 1], c: [0, 1, 2] });
    const points = [...gridPoints(study.space)];
    // Where a and b are 1, a quarter of the grid, a trial is good. Given a, that is 0 or 1/2: variance 1/16, of 3/16 in
    // all.
    const shares = sharesOf(
      study,
      trialsOf(points, ({ a, b }) => 2 * Number(a) + Number(b)),
    );
    expect(shares['a']).toBeCloseTo(1 / 3, 12);
    expect(shares['b']).toBeCloseTo(1 / 3, 12);
    expect(shares['c']).toBeCloseTo(0, 12);
  });

  it('is 1 if one parameter alone decides, in either direction', () => {
    for (const goal of ['higher', 'lower'] as const) {
      const study = studyOf({ a: [0, 1, 2, 3], b: [0, 1, 2] }, goal);
      const shares = sharesOf(
        study,
        trialsOf([...gridPoints(study.space)], ({ a }) => Number(a)),
      );
      expect(shares).toEqual({ a: expect.closeTo(1, 12) as number, b: expect.closeTo(0, 12) as number });
    }
  });

  it('approaches the known shares of an additive function on lines, also logarithmic ones', () => {
    const study = studyOf({
      x: { type: 'uniform', low: -1, high: 3 },
      y: { type: 'log-uniform', low: 0.001, high: 10 },
      z: { type: 'uniform', low: 0, high: 1 },
    });
    // Of u + v, both uniform on 0 to 1, the best quarter is above t = 2 - sqrt(1/2). Given u, that has the chance
    // max(0, u + 1 - t), whose
    // square has the mean sqrt(1/2)^3 / 3: of the variance 3/16, a share of (0.1179 - 1/16) / (3/16) = 0.295.
    const expected = (Math.SQRT1_2 ** 3 / 3 - 1 / 16) / (3 / 16);
    const trials = trialsOf(
      drawnPoints(study, 4000),
      ({ x, y }) => (Number(x) + 1) / 4 + (Math.log10(Number(y)) + 3) / 4,
    );
    const shares = sharesOf(study, trials);
    expect(Math.abs(shares['x']! - expected)).toBeLessThan(0.03);
    expect(Math.abs(shares['y']! - expected)).toBeLessThan(0.03);
    expect(shares['z']).toBeLessThan(0.005);
  });

  it('of an irrelevant parameter is below chance in about 19 of 20 studies, and of a relevant one above', () => {
    const study = studyOf({
      x: { type: 'uniform', low: 0, high: 1 },
      z: { type: 'uniform', low: 0, high: 1 },
      c: ['a', 'b', 'c'],
    });
    let numAbove = 0;
    for (let s = 0; s < 40; s++) {
      const random = randomStream(s, 'study');
      const points = Array.from({ length: 30 }, () =>
        choosePoint(study.space, ({ domain }) => drawCoordinate(domain.axis, random)),
      );
      const found = computeImportances(
        study,
        trialsOf(points, ({ x }) => Number(x)),
      );
      for (const { parameter, share, chance } of found) {
        if (parameter.name === 'x') expect(share).toBeGreaterThan(chance);
        else if (share > chance) numAbove++;
      }
    }
    // Of 80: 4 are expected, and above 11 come one in a thousand times.
    expect(numAbove).toBeLessThan(12);
  });

  it('measures a conditional parameter where it is set, and skips too few trials and constant values', () => {
    const study = studyOf({ a: ['on', 'off'], x: { type: 'uniform', low: 0, high: 1, when: { a: 'on' } } });
    const points = drawnPoints(study, 200);
    const found = computeImportances(
      study,
      trialsOf(points, ({ x }) => Number(x ?? 2)),
    );
    expect(found.find(({ parameter }) => parameter.name === 'x')!.numTrials).toBe(
      points.filter(({ a }) => a === 'on').length,
    );
    expect(found.find(({ parameter }) => parameter.name === 'x')!.share).toBeGreaterThan(0.7);
    expect(
      computeImportances(
        study,
        trialsOf(points.slice(0, 7), ({ x }) => Number(x ?? 2)),
      ),
    ).toEqual([]);
    expect(
      computeImportances(
        study,
        trialsOf(points, () => 0.5),
      ),
    ).toEqual([]);
    expect(
      computeImportances(
        study,
        trialsOf(points, ({ x }) => Number(x ?? 2)).map((trial) => ({ ...trial, state: 'stopped' as const })),
      ),
    ).toEqual([]);
  });
});
