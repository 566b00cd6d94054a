/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { auc } from '../../src/evaluation/auc.js';
import { createCollector } from '../../src/evaluation/evaluation.js';
import { logLoss } from '../../src/evaluation/log-loss.js';
import { mae } from '../../src/evaluation/mae.js';
import { mainValue, type Metric } from '../../src/evaluation/metric.js';
import { pcoc } from '../../src/evaluation/pcoc.js';
import { rmse } from '../../src/evaluation/rmse.js';
import type { Scores } from '../../src/evaluation/scores.js';
import { buildScores } from '../../src/evaluation/output-scores.js';
import { randomStream, type Random } from '../../src/core/random.js';
import { batchOf, spacesOfType } from '../support/measured.js';

type Type = 'classification' | 'regression';

function scoresFrom(type: Type, labels: Float32Array, predictions: Float32Array): Scores {
  const outputs = spacesOfType(type);
  const collector = createCollector(outputs);
  collector.add(batchOf({ labels, predictions, columns: {} }, 0, labels.length), new Map([['y', predictions]]));
  return buildScores(outputs[0]!, collector);
}

/** Two predictions of the same rows that know much of the same; rounded, so that some are tied. */
function drawRows(type: Type, count: number, random: Random) {
  const column = (): Float32Array => new Float32Array(count);
  const rows = { labels: column(), a: column(), b: column() };
  for (let row = 0; row < count; row++) {
    const [truth, shared] = [random.normal(), random.normal()];
    const [first, second] = [
      0.8 * truth + shared + 0.3 * random.normal(),
      0.7 * truth + shared + 0.4 * random.normal(),
    ];
    const rate = 1 / (1 + Math.exp(1 - truth));
    rows.labels[row] = type === 'regression' ? truth + random.normal() : Number(random.uniform() < rate);
    const shown = (value: number): number =>
      type === 'regression' ? value : Math.round(50 / (1 + Math.exp(1 - value))) / 50;
    rows.a[row] = shown(first);
    rows.b[row] = shown(second);
  }
  return rows;
}

const METRICS: readonly (readonly [string, Type, Metric])[] = [
  ['auc', 'classification', auc.build({ confidence: undefined })],
  ['logLoss', 'classification', logLoss.build({})],
  ['pcoc', 'classification', pcoc.build({})],
  ['mae', 'regression', mae.build({})],
  ['rmse', 'regression', rmse.build({})],
];

describe.each(METRICS)('the standard error of %s', (_, type, metric) => {
  const draw = (draws: number, count: number) =>
    Array.from({ length: draws }, (__, i) => {
      const { labels, a, b } = drawRows(type, count, randomStream(i, 'standard error'));
      const [one, other] = [scoresFrom(type, labels, a), scoresFrom(type, labels, b)];
      const [first, second] = [mainValue(metric, one)!, mainValue(metric, other)!];
      return {
        value: first,
        difference: second - first,
        error: metric.standardError!(one) as number,
        paired: metric.standardError!(one, other) as number,
      };
    });
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = (values: readonly number[]): number =>
    Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));

  it('is the spread of values, and of paired differences, over samples', () => {
    // The deviation of 400 draws is itself known to about 3.5%.
    const draws = draw(400, 500);
    expect(mean(draws.map(({ error }) => error)) / deviation(draws.map(({ value }) => value))).toBeCloseTo(1, 0.6);
    expect(mean(draws.map(({ paired }) => paired)) / deviation(draws.map(({ difference }) => difference))).toBeCloseTo(
      1,
      0.6,
    );
  });

  it('of a difference is that of two values for independent predictions, and 0 for equal ones', () => {
    const { labels, a } = drawRows(type, 500, randomStream(7, 'itself'));
    expect(metric.standardError!(scoresFrom(type, labels, a), scoresFrom(type, labels, a))).toBeCloseTo(0, 12);
    const [draws] = draw(1, 500);
    // Both predictions share what makes a row hard.
    expect(draws!.paired).toBeLessThan(draws!.error);
  });

  it('agrees with a bootstrap over rows', () => {
    const { labels, a, b } = drawRows(type, 1500, randomStream(3, 'rows'));
    const random = randomStream(3, 'bootstrap');
    const differences = Array.from({ length: 300 }, () => {
      const rows = Array.from(labels, () => random.below(labels.length));
      const at = (column: Float32Array): Float32Array => Float32Array.from(rows, (row) => column[row]!);
      return (
        mainValue(metric, scoresFrom(type, at(labels), at(b)))! -
        mainValue(metric, scoresFrom(type, at(labels), at(a)))!
      );
    });
    const paired = metric.standardError!(scoresFrom(type, labels, a), scoresFrom(type, labels, b)) as number;
    expect(paired / deviation(differences)).toBeCloseTo(1, 0.6);
  });
});

describe("DeLong's test of two AUCs", () => {
  it('has the variance of placements per class, as counted directly', () => {
    const { labels, a, b } = drawRows('classification', 120, randomStream(1, 'delong'));
    const placementsOf = (predictions: Float32Array, isPositive: boolean): readonly number[] => {
      const own = [...predictions].filter((__, row) => (labels[row] === 1) === isPositive);
      const others = [...predictions].filter((__, row) => (labels[row] === 1) !== isPositive);
      const sign = isPositive ? 1 : -1;
      return own.map(
        (value) => others.reduce((sum, other) => sum + (1 + Math.sign(sign * (value - other))) / 2, 0) / others.length,
      );
    };
    const varianceOf = (isPositive: boolean): number => {
      const [of, ofOther] = [placementsOf(a, isPositive), placementsOf(b, isPositive)];
      const differences = of.map((value, i) => value - ofOther[i]!);
      const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
      return (
        differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (differences.length - 1) / differences.length
      );
    };
    const found = auc.build({ confidence: undefined }).standardError!(
      scoresFrom('classification', labels, a),
      scoresFrom('classification', labels, b),
    ) as number;
    expect(found ** 2).toBeCloseTo(varianceOf(true) + varianceOf(false), 15);
  });

  it('requires two rows per class', () => {
    const scores = scoresFrom('classification', Float32Array.of(1, 0, 0), Float32Array.of(0.5, 0.2, 0.1));
    expect(auc.build({ confidence: undefined }).standardError!(scores, scores)).toEqual({
      reason: 'the variance requires two rows per class, found 1 positives and 2 negatives',
    });
  });
});
