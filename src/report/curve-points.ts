import { BINS_PER_UNIT, computeBinCenter, type ScoreBins } from '../evaluation/score-bins.js';
import type { Series } from '../charts/plot.js';

type Points = Series['points'];

/** Points of a curve at the most: a line of 270 pixels shows no more. */
const MAX_POINTS = 200;

/**
 * Along the bins from the highest prediction down, from no bin on: rows and positives with at least so high a
 * prediction.
 */
interface Downward {
  readonly rows: Float64Array;
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
}

/** Four curves ask for the same ones. */
const found = new WeakMap<ScoreBins, Downward>();

// Here and below: plain loops, since a page is drawn once, in code that V8 has not compiled.
function downward(bins: ScoreBins): Downward {
  const known = found.get(bins);
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
  found.set(bins, all);
  return all;
}

/** Numbers over one number. */
function over(numbers: Float64Array, one: number): Float64Array {
  const shares = new Float64Array(numbers.length);
  for (let i = 0; i < shares.length; i++) shares[i] = numbers[i]! / one;
  return shares;
}

/**
 * The receiver operating characteristic: of all negatives, and of all positives, the share with at least so high a
 * prediction.
 */
export function rocPoints(bins: ScoreBins): Points {
  const numNegatives = bins.rows - bins.positives;
  if (bins.positives === 0 || numNegatives === 0) return [];
  const { positives, negatives } = downward(bins);
  return thinned(over(negatives, numNegatives), over(positives, bins.positives));
}

/** Rows at the least of which a rate is drawn: that of fewer is noise. */
const MIN_ROWS = 20;

/** Recall and precision where rows with at least so high a prediction are taken. */
export function precisionPoints(bins: ScoreBins): Points {
  if (bins.positives === 0) return [];
  const { rates, positives } = fromRows(MIN_ROWS, bins);
  return thinned(over(positives, bins.positives), rates);
}

/**
 * Of the top share of the rows, from the least share on: how many times as many positives they have as that many have
 * at random.
 */
export function liftPoints(bins: ScoreBins, leastShare: number): Points {
  if (bins.positives === 0) return [];
  const { rates, rows } = fromRows(Math.max(MIN_ROWS, leastShare * bins.rows), bins);
  const shares = over(rows, bins.rows);
  const lifts = over(rates, bins.positives / bins.rows);
  // As its axes have them: shares by their logarithms.
  const logs = new Float64Array(shares.length);
  let most = 0;
  for (let i = 0; i < logs.length; i++) {
    logs[i] = Math.log(shares[i]!);
    if (lifts[i]! > most) most = lifts[i]!;
  }
  return thinned(shares, lifts, over(logs, Math.log(leastShare)), over(lifts, most));
}

/** Of the top share of the rows: the share of all positives that they hold. */
export function gainPoints(bins: ScoreBins): Points {
  if (bins.positives === 0) return [];
  const { rows, positives } = downward(bins);
  return thinned(over(rows, bins.rows), over(positives, bins.positives));
}

/** From where there are so many rows, `downward`, and the rate of positives among them. */
function fromRows(
  least: number,
  bins: ScoreBins,
): Pick<Downward, 'rows' | 'positives'> & { readonly rates: Float64Array } {
  const all = downward(bins);
  let first = 0;
  while (first < all.rows.length && all.rows[first]! < least) first++;
  const [rows, positives] = [all.rows.subarray(first), all.positives.subarray(first)];
  const rates = new Float64Array(rows.length);
  for (let i = 0; i < rates.length; i++) rates[i] = positives[i]! / rows[i]!;
  return { rows, positives, rates };
}

/**
 * Points that are a pixel apart or more, with the first and the last.
 * @param placedX where a point is drawn, as a share of the axis
 * @param placedY the same
 */
function thinned(x: Float64Array, y: Float64Array, placedX = x, placedY = y): Points {
  const kept: Points[number][] = [];
  let [beforeX, beforeY] = [NaN, NaN];
  for (let i = 0; i < x.length; i++) {
    const atX = placedX[i]!;
    const atY = placedY[i]!;
    // Nothing is near to the first.
    if (Math.abs(atX - beforeX) < 1 / MAX_POINTS && Math.abs(atY - beforeY) < 1 / MAX_POINTS && i < x.length - 1)
      continue;
    kept.push({ x: x[i]!, y: y[i]! });
    beforeX = atX;
    beforeY = atY;
  }
  return kept;
}

/** The quantile of the normal distribution for 95% between both tails. */
const Z = 1.96;

/**
 * Groups of about as many rows each, by prediction: the mean prediction as x, the rate of positives as y, and the
 * interval in which the
 * rate of so many rows lies in 95% (Wilson 1927).
 */
export function reliabilityPoints({ rows: all, at, negatives, truths }: ScoreBins, groups: number): Points {
  const points: Points[number][] = [];
  let [rows, positives, predicted, before] = [0, 0, 0, 0];
  for (let i = 0; i < at.length; i++) {
    const count = negatives[i]! + truths[i]!;
    rows += count;
    positives += truths[i]!;
    predicted += count * computeBinCenter(at[i]!);
    before += count;
    // A group ends where the next share of the rows does.
    if (before < (all * (points.length + 1)) / groups && i < at.length - 1) continue;
    const rate = positives / rows;
    const middle = (rate + Z ** 2 / (2 * rows)) / (1 + Z ** 2 / rows);
    const half = (Z / (1 + Z ** 2 / rows)) * Math.sqrt((rate * (1 - rate)) / rows + (Z / (2 * rows)) ** 2);
    points.push({ x: predicted / rows, y: rate, low: Math.max(0, middle - half), high: middle + half });
    [rows, positives, predicted] = [0, 0, 0];
  }
  return points;
}

/** Fine bins that one of a histogram holds: a quarter of a unit of the logit. */
const COARSE = BINS_PER_UNIT / 4;

/**
 * The share of the rows of one class by logit of the prediction, from the lowest bin of the histogram to the highest,
 * empty ones between.
 */
export function histogramPoints({ at, negatives, truths }: ScoreBins, kind: 'negatives' | 'truths'): Points {
  const own = kind === 'negatives' ? negatives : truths;
  let total = 0;
  for (let i = 0; i < own.length; i++) total += own[i]!;
  if (total === 0) return [];
  const [first, last] = [Math.floor(at[0]! / COARSE), Math.floor(at.at(-1)! / COARSE)];
  const counts = new Float64Array(last - first + 2);
  for (let i = 0; i < at.length; i++) counts[Math.floor(at[i]! / COARSE) - first]! += own[i]!;
  // A last one of 0, so that the step of the highest has an end.
  return Array.from(counts, (count, i) => ({ x: ((first + i) * COARSE) / BINS_PER_UNIT, y: count / total }));
}
