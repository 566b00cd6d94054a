import { fitLogisticLine, type LogisticFit, type Points } from '../core/logistic-line.js';
import type { InspectedColumn } from './column-kind.js';
import { binNumbers, type NumberBins } from './number-bins.js';
import type { Outcome } from './outcomes.js';

/** Minimum z-score of the deviation from a straight line: a few columns of a hundred reach it by chance. */
const MIN_Z = 2;
const FIT: LogisticFit = {
  targets: { positive: 1, negative: 0 },
  hasIntercept: true,
  slopes: { min: -Infinity, max: Infinity },
};

/** Rows, events and mean number of a bin. */
interface Bin {
  rows: number;
  events: number;
  mean: number;
}

/** Returns the columns with numbers whose effect on an outcome is not a straight line in the log odds. */
export function findCurves(
  features: readonly InspectedColumn[],
  outcomes: readonly Outcome[],
): ReadonlySet<InspectedColumn> {
  const isCurved = (feature: InspectedColumn): boolean => {
    if (feature.kind.is !== 'number') return false;
    const bins = binNumbers(feature);
    return outcomes.some((outcome) => zScoreOfCurve(countBins(feature, bins, outcome)) >= MIN_Z);
  };
  return new Set(features.filter(isCurved));
}

/** Counts the events per bin; numbers are as the model receives them: skewed ones as logarithms. */
function countBins(
  { kind, column }: InspectedColumn,
  { numbers, bins, size }: NumberBins,
  { marks, given }: Outcome,
): readonly Bin[] {
  const isSkewed = kind.is === 'number' && kind.isSkewed;
  const sums = Array.from({ length: size }, (): Bin => ({ rows: 0, events: 0, mean: 0 }));
  for (const [row, code] of column.codes.entries()) {
    const bin = sums[bins[code]!];
    if (bin === undefined || given?.[row] === 0) continue;
    const number = isSkewed ? Math.log1p(numbers[code]!) : numbers[code]!;
    bin.rows++;
    bin.events += marks[row]!;
    bin.mean += (number - bin.mean) / bin.rows;
  }
  return sums.filter(({ rows }) => rows > 0);
}

/**
 * Returns the deviation of the bins from the logistic regression on the number, in standard deviations of chance:
 * Pearson's chi-squared less its degrees of freedom (Hosmer & Lemeshow 1980 bin in the same way).
 */
function zScoreOfCurve(bins: readonly Bin[]): number {
  const freedom = bins.length - 2;
  if (freedom < 1) return 0;
  const line = fitLine(bins);
  let sum = 0;
  for (const { rows, events, mean } of bins) {
    const rate = 1 / (1 + Math.exp(-line(mean)));
    sum += (events - rows * rate) ** 2 / Math.max(1e-12, rows * rate * (1 - rate));
  }
  return (sum - freedom) / Math.sqrt(2 * freedom);
}

/** Fits the log odds of the events as a straight line. */
function fitLine(bins: readonly Bin[]): (number: number) => number {
  const rows = bins.reduce((sum, bin) => sum + bin.rows, 0);
  const center = bins.reduce((sum, bin) => sum + bin.rows * bin.mean, 0) / rows;
  const scale = Math.sqrt(bins.reduce((sum, bin) => sum + bin.rows * (bin.mean - center) ** 2, 0) / rows) || 1;
  const points: Points = (take) => {
    for (const { rows: all, events, mean } of bins) take((mean - center) / scale, all - events, events);
  };
  const { slope, intercept } = fitLogisticLine(points, FIT, { slope: 0, intercept: 0 });
  return (number) => intercept + (slope * (number - center)) / scale;
}
