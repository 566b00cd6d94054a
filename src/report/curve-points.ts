import { BINS_PER_UNIT, computeBinCenter, type ScoreBins } from '../evaluation/score-bins.js';
import type { Series } from '../charts/plot.js';

type Points = Series['points'];

/** Maximum number of points per curve: a line of 270 pixels shows no more. */
const MAX_POINTS = 200;

/** Cumulative counts from the highest bin down, starting with no bin: entry `i` counts the rows in the top `i` bins. */
interface Cumulative {
  readonly rows: Float64Array;
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

/** Cache: four curves share the same counts. */
const cached = new WeakMap<ScoreBins, Cumulative>();

// Plain loops here and below: a page is drawn once, in code that V8 has not optimized.
function accumulate(bins: ScoreBins): Cumulative {
  const known = cached.get(bins);
  if (known !== undefined) return known;
  const { length } = bins.at;
  const [rows, positives, negatives] = [
    new Float64Array(length + 1),
    new Float64Array(length + 1),
    new Float64Array(length + 1),
  ];
  for (let i = 0; i < length; i++) {
    const bin = length - 1 - i;
    negatives[i + 1] = negatives[i]! + bins.negatives[bin]!;
    positives[i + 1] = positives[i]! + bins.truths[bin]!;
    rows[i + 1] = negatives[i + 1]! + positives[i + 1]!;
  }
  const all = { rows, positives, negatives };
  cached.set(bins, all);
  return all;
}

/** Divides every element by `divisor`. */
function divide(numbers: Float64Array, divisor: number): Float64Array {
  const shares = new Float64Array(numbers.length);
  for (let i = 0; i < shares.length; i++) shares[i] = numbers[i]! / divisor;
  return shares;
}

/** Computes the ROC curve: false positive rate as x, true positive rate as y. */
export function rocPoints(bins: ScoreBins): Points {
  const numNegatives = bins.rows - bins.positives;
  if (bins.positives === 0 || numNegatives === 0) return [];
  const { positives, negatives } = accumulate(bins);
  return thin(divide(negatives, numNegatives), divide(positives, bins.positives));
}

/** Minimum number of rows for a rate: with fewer, it is noise. */
const MIN_ROWS = 20;

/** Computes the precision-recall curve: recall as x, precision as y. */
export function precisionPoints(bins: ScoreBins): Points {
  if (bins.positives === 0) return [];
  const { rates, positives } = fromRows(MIN_ROWS, bins);
  return thin(divide(positives, bins.positives), rates);
}

/** Computes the lift over the top share of rows: x from `minShare` to 1, y relative to the rate of all rows. */
export function liftPoints(bins: ScoreBins, minShare: number): Points {
  if (bins.positives === 0) return [];
  const { rates, rows } = fromRows(Math.max(MIN_ROWS, minShare * bins.rows), bins);
  const shares = divide(rows, bins.rows);
  const lifts = divide(rates, bins.positives / bins.rows);
  // Thin in the coordinates of the axes: x is logarithmic.
  const logs = new Float64Array(shares.length);
  let maxLift = 0;
  for (let i = 0; i < logs.length; i++) {
    logs[i] = Math.log(shares[i]!);
    if (lifts[i]! > maxLift) maxLift = lifts[i]!;
  }
  return thin(shares, lifts, divide(logs, Math.log(minShare)), divide(lifts, maxLift));
}

/** Computes the gain curve: the share of all positives within the top share of rows. */
export function gainPoints(bins: ScoreBins): Points {
  if (bins.positives === 0) return [];
  const { rows, positives } = accumulate(bins);
  return thin(divide(rows, bins.rows), divide(positives, bins.positives));
}

/** Returns the cumulative counts from `minRows` rows on, with the rate of positives. */
function fromRows(
  minRows: number,
  bins: ScoreBins,
): Pick<Cumulative, 'rows' | 'positives'> & { readonly rates: Float64Array } {
  const all = accumulate(bins);
  let first = 0;
  while (first < all.rows.length && all.rows[first]! < minRows) first++;
  const [rows, positives] = [all.rows.subarray(first), all.positives.subarray(first)];
  const rates = new Float64Array(rows.length);
  for (let i = 0; i < rates.length; i++) rates[i] = positives[i]! / rows[i]!;
  return { rows, positives, rates };
}

/**
 * Keeps points at least a pixel apart, and the first and the last.
 * @param placedX position along the axis, as a share of its length
 * @param placedY position along the axis, as a share of its length
 */
function thin(x: Float64Array, y: Float64Array, placedX = x, placedY = y): Points {
  const points: Points[number][] = [];
  let [lastX, lastY] = [NaN, NaN];
  for (let i = 0; i < x.length; i++) {
    const currentX = placedX[i]!;
    const currentY = placedY[i]!;
    // NaN compares false, so the first point is kept.
    if (Math.abs(currentX - lastX) < 1 / MAX_POINTS && Math.abs(currentY - lastY) < 1 / MAX_POINTS && i < x.length - 1)
      continue;
    points.push({ x: x[i]!, y: y[i]! });
    lastX = currentX;
    lastY = currentY;
  }
  return points;
}

/** Quantile of the standard normal distribution for a 95% interval. */
const Z = 1.96;

/**
 * Groups rows by prediction into groups of about equal size: mean prediction as x, rate of positives as y, with its 95%
 * interval (Wilson 1927).
 */
export function reliabilityPoints({ rows: all, at, negatives, truths }: ScoreBins, groups: number): Points {
  const points: Points[number][] = [];
  let [rows, positives, predicted, seenRows] = [0, 0, 0, 0];
  for (let i = 0; i < at.length; i++) {
    const count = negatives[i]! + truths[i]!;
    rows += count;
    positives += truths[i]!;
    predicted += count * computeBinCenter(at[i]!);
    seenRows += count;
    // A group ends at its share of the rows.
    if (seenRows < (all * (points.length + 1)) / groups && i < at.length - 1) continue;
    const rate = positives / rows;
    const middle = (rate + Z ** 2 / (2 * rows)) / (1 + Z ** 2 / rows);
    const half = (Z / (1 + Z ** 2 / rows)) * Math.sqrt((rate * (1 - rate)) / rows + (Z / (2 * rows)) ** 2);
    points.push({ x: predicted / rows, y: rate, low: Math.max(0, middle - half), high: middle + half });
    [rows, positives, predicted] = [0, 0, 0];
  }
  return points;
}

/** Fine bins per histogram bin: a quarter of a logit. */
const FINE_BINS_PER_BIN = BINS_PER_UNIT / 4;

/**
 * Computes a histogram of one class over the logit, from its lowest to its highest bin, including empty ones; y is the
 * share of the class.
 */
export function histogramPoints({ at, negatives, truths }: ScoreBins, kind: 'negatives' | 'truths'): Points {
  const own = kind === 'negatives' ? negatives : truths;
  let total = 0;
  for (let i = 0; i < own.length; i++) total += own[i]!;
  if (total === 0) return [];
  const [first, last] = [Math.floor(at[0]! / FINE_BINS_PER_BIN), Math.floor(at.at(-1)! / FINE_BINS_PER_BIN)];
  const counts = new Float64Array(last - first + 2);
  for (let i = 0; i < at.length; i++) counts[Math.floor(at[i]! / FINE_BINS_PER_BIN) - first]! += own[i]!;
  // A final 0 ends the step of the highest bin.
  return Array.from(counts, (count, i) => ({ x: ((first + i) * FINE_BINS_PER_BIN) / BINS_PER_UNIT, y: count / total }));
}
