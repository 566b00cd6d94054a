import { z } from 'zod';
import { createExactSum } from './exact-sum.js';
import { defineMetric, type TableRow } from './metric.js';
import { createFloatReader, walkUp, type Ranked } from './ranked.js';
import type { Scores } from './scores.js';

/** Bins of equal row counts, or of equal width between 0 and 1. */
const BINNINGS = ['quantile', 'uniform'] as const;

/**
 * Expected calibration error: |mean prediction - positive rate| per bin of predictions, averaged over rows (Naeini et
 * al. 2015; Guo et al. 2017). For rare clicks, the first of equal-width bins contains nearly all rows, so the default
 * is bins with equal row counts; rows with the same prediction share a bin (Nixon et al. 2019).
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
      computeBins(scores, bins, binning).reduce(
        (sum, { rows, prediction, label }) => sum + (rows! / scores.rows) * Math.abs(prediction! - label!),
        0,
      ),
    ],
    tabulate: (scores) => computeBins(scores, bins, binning),
  }),
});

/** Computes the nonempty bins in increasing order: rows, mean prediction and positive rate. */
function computeBins(scores: Scores, count: number, binning: (typeof BINNINGS)[number]): readonly TableRow[] {
  const ranked = scores.ranked();
  const readFloat = createFloatReader();
  const edges =
    binning === 'quantile' ? quantiles(ranked, count) : Array.from({ length: count - 1 }, (_, i) => (i + 1) / count);
  const bins = Array.from({ length: count }, () => ({ rows: 0, positives: 0, predictions: createExactSum() }));
  let index = 0;
  walkUp(ranked, (numNegatives, numPositives, key) => {
    const value = readFloat(key);
    while (index < edges.length && edges[index]! < value) index++;
    const bin = bins[index]!;
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

/** Computes the predictions that split the rows into parts of equal size, interpolated between rows. */
function quantiles(ranked: Ranked, count: number): readonly number[] {
  const rows = ranked.negatives.length + ranked.positives.length;
  const readFloat = createFloatReader();
  const positions = Array.from({ length: count - 1 }, (_, i) => ((rows - 1) * (i + 1)) / count);
  const edges: number[] = [];
  let [rowsBefore, previous] = [0, NaN];
  walkUp(ranked, (numNegatives, numPositives, key) => {
    const value = readFloat(key);
    const end = rowsBefore + numNegatives + numPositives;
    for (
      let position = positions[edges.length];
      position !== undefined && position <= end - 1;
      position = positions[edges.length]
    ) {
      edges.push(position < rowsBefore ? previous + (value - previous) * (position - Math.floor(position)) : value);
    }
    [rowsBefore, previous] = [end, value];
  });
  return edges;
}
