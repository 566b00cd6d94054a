import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { applyCurve, curveSchema, type Curve } from '../../../src/evaluation/calibration/curve.js';
import { methods } from '../../../src/evaluation/calibration/options.js';
import { createCollector } from '../../../src/evaluation/evaluation.js';
import { rankClasses } from '../../../src/evaluation/ranked.js';
import { randomStream } from '../../../src/core/random.js';
import { batchOf, spacesOfType } from '../../support/measured.js';

interface Rows {
  readonly labels: readonly number[];
  readonly predictions: readonly number[];
}

interface Case extends Rows {
  readonly at: readonly number[];
  /** By method: the exact numbers, and those of scikit-learn, whose search ends before the last digits. */
  readonly expected: Readonly<Record<string, readonly number[]>>;
  readonly scikit: Readonly<Record<string, readonly number[]>>;
}

const read = (name: string): Case =>
  JSON.parse(readFileSync(new URL(`cases/${name}.json`, import.meta.url), 'utf8')) as Case;
const fit = (method: string, { labels, predictions }: Rows): Curve =>
  methods.build(methods.schema.parse({ method }))(
    rankClasses(labels.length, [{ labels: Float32Array.from(labels), predictions: Float32Array.from(predictions) }]),
  );

/** What a curve tells of predictions. */
function told(curve: Curve, at: readonly number[]): readonly number[] {
  const values = Float32Array.from(at);
  applyCurve(curve, values, values.length);
  return [...values];
}

const ROWS: Rows = (() => {
  const random = randomStream(5, 'rows');
  const predictions = Array.from({ length: 3000 }, (_, i) => (i % 7 === 0 ? 0.25 : random.uniform() ** 2));
  return { predictions, labels: predictions.map((p) => Number(random.uniform() < 0.6 * p + 0.02)) };
})();

describe.each(methods.names)('calibration by %s', (method) => {
  it.each(['too-sure', 'too-high'])('matches scikit-learn: %s', (name) => {
    const { at, expected, scikit, ...rows } = read(name);
    const found = told(fit(method, rows), at);
    // What is told is a float, which may be the next one: 6e-8 from it, of numbers from one half on.
    expect(found.filter((value, i) => !(Math.abs(value - Math.fround(expected[method]![i]!)) <= 6.1e-8))).toEqual([]);
    expect(found).toEqual(scikit[method]!.map((value) => expect.closeTo(value, 6) as number));
  });

  it('does not depend on the order or the batches of rows', () => {
    const curve = fit(method, ROWS);
    const orders = [
      Array.from(ROWS.labels.keys()).reverse(),
      [...ROWS.labels.keys()].sort((a, b) => (a % 13) - (b % 13) || a - b),
    ];
    for (const order of orders) {
      const rows = { labels: order.map((i) => ROWS.labels[i]!), predictions: order.map((i) => ROWS.predictions[i]!) };
      const [output] = spacesOfType('classification');
      const collector = createCollector([output!]);
      for (let begin = 0; begin < 3000; begin += 700) {
        const end = Math.min(3000, begin + 700);
        collector.add(
          batchOf(rows, begin, end),
          new Map([['y', Float32Array.from(rows.predictions.slice(begin, end))]]),
        );
      }
      expect(methods.build(methods.schema.parse({ method }))(collector.scores(output!).ranked())).toEqual(curve);
    }
  });

  it('gives increasing probabilities, and is unchanged after serialization', () => {
    const curve = fit(method, ROWS);
    const at = [0, 1e-40, 1e-30, ...Array.from({ length: 500 }, (_, i) => (i + 1) / 502), 1 - 2 ** -24, 1];
    const values = told(curve, at);
    for (const [i, value] of values.entries()) {
      expect(value).toBeGreaterThanOrEqual(Math.max(0, values[i - 1] ?? 0));
      expect(value).toBeLessThanOrEqual(1);
    }
    expect(told(curveSchema.parse(JSON.parse(JSON.stringify(curve))), at)).toEqual(values);
  });

  it('does not increase the log loss of its fitting rows', () => {
    const loss = (predictions: readonly number[]): number =>
      predictions.reduce((sum, p, i) => sum - Math.log(ROWS.labels[i] === 1 ? p : 1 - p), 0);
    const { predictions } = ROWS;
    const kept = predictions.map((p) => Math.min(Math.max(p, 1e-7), 1 - 1e-7));
    expect(loss(told(fit(method, ROWS), predictions).map((p) => Math.min(Math.max(p, 1e-7), 1 - 1e-7)))).toBeLessThan(
      loss(kept),
    );
  });

  it('converges for separable classes, constant predictions, and predictions of 0 and 1', () => {
    const labels = Array.from({ length: 40 }, (_, i) => Number(i >= 30));
    for (const predictions of [
      labels.map((y) => 0.2 + 0.6 * y),
      labels.map((y) => 0.8 - 0.6 * y),
      labels.map(() => 0.3),
      labels,
      labels.map((y) => 1 - y),
    ]) {
      const found = told(fit(method, { labels, predictions }), [0, 0.2, 0.3, 0.5, 0.8, 1]);
      expect(found.filter((value) => !(value >= 0 && value <= 1))).toEqual([]);
    }
  });
});

describe('a calibration curve', () => {
  it('of platt gives the base rate for constant predictions', () => {
    const labels = Array.from({ length: 1000 }, (_, i) => Number(i < 100));
    // With Platt's targets, 100 positives of 1000 are a little more.
    expect(told(fit('platt', { labels, predictions: labels.map(() => 0.3) }), [0.3])).toEqual([
      expect.closeTo((100 * (101 / 102) + 900 / 902) / 1000, 6),
    ]);
  });

  it('of isotonic is constant outside its points, and linear between levels', () => {
    const curve = fit('isotonic', { predictions: [0.1, 0.2, 0.3, 0.4, 0.5], labels: [0, 1, 0, 1, 1] });
    expect(curve).toEqual({
      kind: 'broken-line',
      from: [0.1, 0.2, 0.3, 0.4, 0.5].map(Math.fround),
      to: [0, 0.5, 0.5, 1, 1],
    });
    expect(told(curve, [0.05, 0.15, 0.25, 0.35, 0.9])).toEqual(
      [0, 0.25, 0.5, 0.75, 1].map((value) => expect.closeTo(value, 6) as number),
    );
  });
});
