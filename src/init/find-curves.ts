import type { InspectedColumn } from './column-kind.js';
import { binNumbers } from './number-bins.js';
import type { Outcome } from './outcomes.js';

/** Minimum z-score of the deviation from a straight line: a few columns of a hundred reach it by chance. */
const MIN_Z = 2;
/** Newton steps of the straight line, which converges within a few. */
const STEPS = 10;

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
  return new Set(
    features.filter(
      (feature) =>
        feature.kind.is === 'number' && outcomes.some((outcome) => zScoreOfCurve(countBins(feature, outcome)) >= MIN_Z),
    ),
  );
}

/** Counts the events per bin; numbers are as the model receives them: skewed ones as logarithms. */
function countBins(feature: InspectedColumn, { marks, given }: Outcome): readonly Bin[] {
  const { numbers, bins, size } = binNumbers(feature);
  const isSkewed = feature.kind.is === 'number' && feature.kind.isSkewed;
  const sums = Array.from({ length: size }, (): Bin => ({ rows: 0, events: 0, mean: 0 }));
  for (const [row, code] of feature.column.codes.entries()) {
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
  const rate = bins.reduce((sum, bin) => sum + bin.events, 0.5) / (rows + 1);
  let [intercept, slope] = [Math.log(rate / (1 - rate)), 0];
  for (let step = 0; step < STEPS; step++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 0, 0, 0];
    for (const bin of bins) {
      const x = (bin.mean - center) / scale;
      const p = 1 / (1 + Math.exp(-intercept - slope * x));
      const weight = bin.rows * p * (1 - p);
      g0 += bin.events - bin.rows * p;
      g1 += x * (bin.events - bin.rows * p);
      h00 += weight;
      h01 += weight * x;
      h11 += weight * x * x;
    }
    const determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-9 * h00 * h11)) break;
    intercept += (h11 * g0 - h01 * g1) / determinant;
    slope += (h00 * g1 - h01 * g0) / determinant;
  }
  return (number) => intercept + (slope * (number - center)) / scale;
}
