import { BINS_PER_UNIT, computeBinCenter, type ScoreBins } from '../evaluation/score-bins.js';
import type { Series } from '../charts/plot.js';

type Points = Series['points'];

/** Maximum number of points per curve: a line of 270 pixels shows no more. */
const MAX_POINTS = 200;

/** Counts of the rows with the highest predictions. */
interface TopRows {
  readonly rows: number;
  readonly positives: number;
  readonly negatives: number;
}

/** Minimum number of rows for a rate: with fewer, it is noise. */
const MIN_ROWS = 20;

/** Computes the ROC curve: false positive rate as x, true positive rate as y. */
export function rocPoints(bins: ScoreBins): Points {
  const numNegatives = bins.rows - bins.positives;
  if (numNegatives === 0) return [];
  return trace(bins, 0, ({ positives, negatives }) => [negatives / numNegatives, positives / bins.positives]);
}

/** Computes the precision-recall curve: recall as x, precision as y. */
export function precisionPoints(bins: ScoreBins): Points {
  return trace(bins, MIN_ROWS, ({ rows, positives }) => [positives / bins.positives, positives / rows]);
}

/** Computes the lift over the top share of rows: x from `minShare` to 1, y relative to the rate of all rows. */
export function liftPoints(bins: ScoreBins, minShare: number): Points {
  const rate = bins.positives / bins.rows;
  const lift = ({ rows, positives }: TopRows): readonly [number, number] => [rows / bins.rows, positives / rows / rate];
  // Points are thinned in the coordinates of the axes: x is logarithmic.
  return trace(bins, Math.max(MIN_ROWS, minShare * bins.rows), lift, (x) => Math.log(x) / Math.log(minShare));
}

/** Computes the gain curve: the share of all positives within the top share of rows. */
export function gainPoints(bins: ScoreBins): Points {
  return trace(bins, 0, ({ rows, positives }) => [rows / bins.rows, positives / bins.positives]);
}

/**
 * Computes a curve over the top rows, from `minRows` rows on, bin by bin from the highest prediction down. Keeps points
 * at least a pixel apart, and the first and the last. Without positives, there is no curve.
 * @param place position of x along the axis, as a share of its length
 */
function trace(
  { at, negatives, truths, positives: numPositives }: ScoreBins,
  minRows: number,
  compute: (top: TopRows) => readonly [x: number, y: number],
  place = (x: number): number => x,
): Points {
  const all: Points[number][] = [];
  const top = { rows: 0, positives: 0, negatives: 0 };
  for (let bin = at.length; bin >= 0 && numPositives > 0; bin--) {
    top.negatives += negatives[bin] ?? 0;
    top.positives += truths[bin] ?? 0;
    top.rows = top.negatives + top.positives;
    const [x, y] = compute(top);
    if (top.rows >= minRows) all.push({ x, y });
  }
  const height = all.reduce((max, { y }) => Math.max(max, y), 0);
  let last: Points[number] | undefined;
  return all.filter((point, i) => {
    const isNear =
      last !== undefined &&
      Math.abs(place(point.x) - place(last.x)) < 1 / MAX_POINTS &&
      Math.abs(point.y - last.y) < height / MAX_POINTS;
    if (isNear && i < all.length - 1) return false;
    last = point;
    return true;
  });
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
