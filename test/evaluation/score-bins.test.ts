import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCollector } from '../../src/evaluation/evaluation.js';
import { createExactSum } from '../../src/evaluation/exact-sum.js';
import { mainValue, type Metric } from '../../src/evaluation/metric.js';
import { plainMetric } from '../../src/evaluation/metrics.js';
import { BINS_PER_UNIT, computeBinCenter, expandBins, type ScoreBins } from '../../src/evaluation/score-bins.js';
import { randomStream } from '../../src/core/random.js';
import { batchOf, spacesOfType } from '../support/measured.js';

/** The bins of some rows, which are given in pieces, and their AUC. */
function binsOf(
  labels: readonly number[],
  predictions: readonly number[],
  pieceRows = labels.length,
): { bins: ScoreBins; auc: number | null } {
  const collector = createCollector(spacesOfType('classification'));
  for (let begin = 0; begin < labels.length; begin += pieceRows) {
    const end = Math.min(labels.length, begin + pieceRows);
    collector.add(
      batchOf({ labels, predictions }, begin, end),
      new Map([['y', Float32Array.from(predictions.slice(begin, end))]]),
    );
  }
  return { bins: collector.predicted().outputs['y']!, auc: collector.report()['y']!['auc'] as number | null };
}

/** The AUC of bins, ties half, and how far from the exact one it may be at most: half of the pairs that share a bin. */
function aucOfBins({ positives, rows, negatives, truths }: ScoreBins): { auc: number; within: number } {
  let [below, right, shared] = [0, 0, 0];
  for (const [i, negative] of negatives.entries()) {
    right += truths[i]! * (below + negative / 2);
    shared += truths[i]! * negative;
    below += negative;
  }
  const pairs = positives * (rows - positives);
  return { auc: right / pairs, within: shared / 2 / pairs };
}

const uniform = randomStream(8, 'bins');
const predictions = Array.from({ length: 20_000 }, () => Math.fround(uniform.uniform() ** 6));
const labels = predictions.map((p) => Number(uniform.uniform() < p));

describe('bins of predictions', () => {
  it('give the AUC, except for pairs within a bin', () => {
    const { bins, auc } = binsOf(labels, predictions);
    const { auc: binned, within } = aucOfBins(bins);
    expect(Math.abs(binned - auc!)).toBeLessThanOrEqual(within);
    expect(within).toBeLessThan(0.002);
    expect(within).toBeGreaterThan(0);
  });

  it('do not depend on the order or the chunks of rows', () => {
    const { bins } = binsOf(labels, predictions);
    expect(binsOf([...labels].reverse(), [...predictions].reverse(), 777).bins).toEqual(bins);
  });

  it('contain every row once, and the sum of the predictions', () => {
    const { bins } = binsOf(labels, predictions);
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    expect(bins.rows).toBe(predictions.length);
    expect(bins.positives).toBe(sum(labels));
    expect(sum(bins.truths)).toBe(bins.positives);
    expect(sum(bins.negatives)).toBe(bins.rows - bins.positives);
    expect(bins.predicted).toBeCloseTo(sum(predictions), 6);
    expect(bins.at).toEqual([...bins.at].sort((a, b) => a - b));
  });

  it('match the logits of any predictions', () => {
    const definition = (p: number): number =>
      Math.max(
        -16 * BINS_PER_UNIT,
        Math.min(
          16 * BINS_PER_UNIT - 1,
          Math.floor(BINS_PER_UNIT * (Math.log(Math.min(1, p)) - Math.log1p(-Math.min(1, p)))),
        ),
      );
    const edge = fc.integer({ min: -1030, max: 1030 }).map((bin) => 1 / (1 + Math.exp(-bin / BINS_PER_UNIT)));
    const prediction = fc
      .oneof(
        fc.constantFrom(0, -0, 1, 1.5, 2 ** -149, 2 ** -30, 1 - 2 ** -24),
        fc.double({ min: 0, max: 1, noNaN: true }),
        edge,
      )
      .map(Math.fround);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(prediction, fc.integer({ min: 0, max: 1 })), { minLength: 1, maxLength: 300 }),
        (rows) => {
          const { bins } = binsOf(
            rows.map(([, label]) => label),
            rows.map(([p]) => p),
          );
          const counted = (label: number): readonly number[] =>
            bins.at.map((bin) => rows.filter(([p, own]) => own === label && definition(p) === bin).length);
          expect(bins.at).toEqual([...new Set(rows.map(([p]) => definition(p)))].sort((a, b) => a - b));
          expect(bins.negatives).toEqual(counted(0));
          expect(bins.truths).toEqual(counted(1));
        },
      ),
    );
  });

  it('contain the exact sum of the predictions', () => {
    const float = fc
      .oneof(
        fc.constantFrom(0, 1, 2 ** -149, 1 - 2 ** -24),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: -149, max: 0 }).map((power) => 1.3 * 2 ** power),
      )
      .map(Math.fround);
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 300 }), (values) => {
        const sum = createExactSum();
        for (const value of values) sum.add(value);
        expect(
          binsOf(
            values.map(() => 0),
            values,
          ).bins.predicted,
        ).toBe(sum.value());
      }),
    );
  });

  it('have predictions within one width of their center', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), (value) => {
        const p = Math.fround(value);
        const { at } = binsOf([1], [p]).bins;
        expect(at).toHaveLength(1);
        const logit = (q: number): number => Math.log(q / (1 - q));
        expect(Math.abs(logit(computeBinCenter(at[0]!)) - logit(p))).toBeLessThanOrEqual(0.51 / BINS_PER_UNIT);
      }),
    );
  });

  it('clamp 0, 1 and values outside to the outermost bins', () => {
    const { bins } = binsOf([0, 1, 1, 0], [0, 1, 1.5, -0.25]);
    expect(bins).toMatchObject({ rows: 4, negatives: [2, 0], truths: [0, 2] });
    expect(bins.at[0]).toBe(-bins.at[1]! - 1);
  });

  it('do not apply to regressions', () => {
    const collector = createCollector(spacesOfType('regression'));
    collector.add(batchOf({ labels: [3.5], predictions: [2] }), new Map([['y', Float32Array.of(2)]]));
    expect(collector.predicted()).toEqual({ outputs: {}, segments: {} });
  });
});

describe('expanded bins', () => {
  const collector = createCollector(spacesOfType('classification'));
  collector.add(batchOf({ labels, predictions }), new Map([['y', Float32Array.from(predictions)]]));
  const exact = collector.scores(spacesOfType('classification')[0]!);
  const { bins } = binsOf(labels, predictions);
  const metrics = (['auc', 'logLoss', 'pcoc'] as const).map(plainMetric);
  const errorOf = (metric: Metric, ...rows: Parameters<NonNullable<Metric['standardError']>>): number =>
    metric.standardError!(...rows) as number;

  it('have values and standard errors within 1% of those of the rows', () => {
    for (const metric of metrics) {
      const [value, error] = [mainValue(metric, exact)!, errorOf(metric, exact)];
      expect(Math.abs(mainValue(metric, expandBins(bins))! / value - 1)).toBeLessThan(0.01);
      expect(Math.abs(errorOf(metric, expandBins(bins)) / error - 1)).toBeLessThan(0.01);
    }
  });

  it('with a constant have the AUC of chance and the entropy of the rate', () => {
    const rate = bins.positives / bins.rows;
    const [auc, logLoss] = metrics.map((metric) => mainValue(metric, expandBins(bins, rate)));
    expect(auc).toBe(0.5);
    expect(logLoss).toBeCloseTo(-rate * Math.log(rate) - (1 - rate) * Math.log(1 - rate), 6);
  });

  it('pair a constant with the rows', () => {
    const rate = bins.positives / bins.rows;
    const loss = (p: number, label: number): number => -Math.log(label === 1 ? p : 1 - p);
    const differences = predictions.map((p, row) => loss(p, labels[row]!) - loss(rate, labels[row]!));
    const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
    const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (differences.length - 1);
    const error = Math.sqrt(variance / differences.length);
    expect(errorOf(metrics[1]!, expandBins(bins), expandBins(bins, rate)) / error).toBeCloseTo(1, 1.9);
    // A constant ranks nothing, so the difference is as uncertain as the AUC itself.
    const single = errorOf(metrics[0]!, expandBins(bins));
    expect(errorOf(metrics[0]!, expandBins(bins), expandBins(bins, rate))).toBeCloseTo(single, 9);
  });
});
