import { z } from 'zod';
import { createExactSum } from './exact-sum.js';
import { defineMetric, type TableRow } from './metric.js';
import { floatReader, walkUp, type Ranked } from './ranked.js';
import type { Scores } from './scores.js';

/** Bins of equal row counts, or of equal width between 0 and 1. */
const BINNINGS = ['quantile', 'uniform'] as const;

/**
 * Expected calibration error: the distance between the mean prediction and the rate of positives in bins of
 * predictions, averaged over
 * rows (Naeini et al. 2015; Guo et al. 2017). Where clicks are rare, bins of one width hold nearly all rows in the
 * first; so bins have as many
 * rows each by default, rows of one prediction staying together (Nixon et al. 2019).
 */
export const ece = defineMetric({
  name: 'ece',
  summary: 'expected calibration error over bins of predictions, which are listed too',
  options: () => ({
    bins: z.int().min(1).max(10_000).default(15).describe('Number of prediction bins'),
    binning: z
      .enum(BINNINGS)
      .default('quantile')
      .describe('Bins of equal row counts (quantile) or equal width (uniform)'),
  }),
  build: ({ bins, binning }) => ({
    taskType: 'classification',
    values: [{ name: 'ece', goal: 'lower' }],
    compute: (scores) => [
      binsOf(scores, bins, binning).reduce(
        (sum, { rows, prediction, label }) => sum + (rows! / scores.rows) * Math.abs(prediction! - label!),
        0,
      ),
    ],
    tabulate: (scores) => binsOf(scores, bins, binning),
  }),
});

/** The bins with a row, the lowest first: their rows, their mean prediction and their rate of positives. */
function binsOf(scores: Scores, count: number, binning: (typeof BINNINGS)[number]): readonly TableRow[] {
  const ranked = scores.ranked();
  const floatOf = floatReader();
  const edges =
    binning === 'quantile' ? quantiles(ranked, count) : Array.from({ length: count - 1 }, (_, i) => (i + 1) / count);
  const bins = Array.from({ length: count }, () => ({ rows: 0, positives: 0, predictions: createExactSum() }));
  let at = 0;
  walkUp(ranked, (numNegatives, numPositives, key) => {
    const value = floatOf(key);
    while (at < edges.length && edges[at]! < value) at++;
    const bin = bins[at]!;
    bin.rows += numNegatives + numPositives;
    bin.positives += numPositives;
    bin.predictions.add((numNegatives + numPositives) * value);
  });
  return bins
    .filter(({ rows }) => rows > 0)
    .map(({ rows, positives, predictions }) => ({
      rows,
      prediction: predictions.value() / rows,
      label: positives / rows,
    }));
}

/** The predictions that divide the rows into as many parts of one size: between two rows, in proportion. */
function quantiles(ranked: Ranked, count: number): readonly number[] {
  const rows = ranked.negatives.length + ranked.positives.length;
  const floatOf = floatReader();
  const places = Array.from({ length: count - 1 }, (_, i) => ((rows - 1) * (i + 1)) / count);
  const edges: number[] = [];
  let [before, below] = [0, NaN];
  walkUp(ranked, (numNegatives, numPositives, key) => {
    const value = floatOf(key);
    const end = before + numNegatives + numPositives;
    for (let place = places[edges.length]; place !== undefined && place <= end - 1; place = places[edges.length]) {
      edges.push(place < before ? below + (value - below) * (place - Math.floor(place)) : value);
    }
    [before, below] = [end, value];
  });
  return edges;
}
