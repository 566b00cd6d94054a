import { BINS_PER_UNIT, middleOf, type ScoreBins } from '../evaluation/score-bins.js';
import type { Series } from '../drawing/plot.js';

type Points = Series['points'];

/** Points of a curve at the most: a line of 270 pixels shows no more. */
const MOST = 200;

/** Goes through the bins from the highest prediction down: rows and positives with at least so high a prediction. */
function* downward({ at, negatives, truths }: ScoreBins): Generator<{ readonly rows: number; readonly positives: number }> {
  let [rows, positives] = [0, 0];
  for (let i = at.length - 1; i >= 0; i--) {
    rows += negatives[i]! + truths[i]!;
    positives += truths[i]!;
    yield { rows, positives };
  }
}

/** The receiver operating characteristic: of all negatives, and of all positives, the share with at least so high a prediction. */
export function rocPoints(bins: ScoreBins): Points {
  const negatives = bins.rows - bins.positives;
  if (bins.positives === 0 || negatives === 0) return [];
  return thinned([{ x: 0, y: 0 }, ...Array.from(downward(bins), ({ rows, positives }) => ({ x: (rows - positives) / negatives, y: positives / bins.positives }))]);
}

/** Rows at the least of which a rate is drawn: that of fewer is noise. */
const LEAST_ROWS = 20;

/** Recall and precision where rows with at least so high a prediction are taken. */
export function precisionPoints(bins: ScoreBins): Points {
  if (bins.positives === 0) return [];
  return thinned([...downward(bins)].filter(({ rows }) => rows >= LEAST_ROWS).map(({ rows, positives }) => ({ x: positives / bins.positives, y: positives / rows })));
}

/** Of the top share of the rows, from the least share on: how many times as many positives they have as that many have at random. */
export function liftPoints(bins: ScoreBins, leastShare: number): Points {
  if (bins.positives === 0) return [];
  const least = Math.max(LEAST_ROWS, leastShare * bins.rows);
  const points = [...downward(bins)].filter(({ rows }) => rows >= least).map(({ rows, positives }) => ({ x: rows / bins.rows, y: positives / rows / (bins.positives / bins.rows) }));
  const most = points.reduce((largest, { y }) => Math.max(largest, y), 0);
  // As its axes have them: shares by their logarithms.
  return thinned(points, ({ x, y }) => ({ x: Math.log(x) / Math.log(leastShare), y: y / most }));
}

/** Of the top share of the rows: the share of all positives that they hold. */
export function gainPoints(bins: ScoreBins): Points {
  if (bins.positives === 0) return [];
  return thinned([{ x: 0, y: 0 }, ...Array.from(downward(bins), ({ rows, positives }) => ({ x: rows / bins.rows, y: positives / bins.positives }))]);
}

/**
 * Points that are a pixel apart or more, with the first and the last.
 * @param placed where a point is drawn, as shares of the axes
 */
function thinned(points: Points, placed: (point: Points[number]) => Pick<Points[number], 'x' | 'y'> = (point) => point): Points {
  const kept: Points[number][] = [];
  let before: Pick<Points[number], 'x' | 'y'> | undefined;
  for (const [i, point] of points.entries()) {
    const at = placed(point);
    if (before !== undefined && i < points.length - 1 && Math.max(Math.abs(at.x - before.x), Math.abs(at.y - before.y)) < 1 / MOST) continue;
    kept.push(point);
    before = at;
  }
  return kept;
}

/** The quantile of the normal distribution for 95% between both tails. */
const Z = 1.96;

/**
 * Groups of about as many rows each, by prediction: the mean prediction as x, the rate of positives as y, and the interval in which the
 * rate of so many rows lies in 95% (Wilson 1927).
 */
export function reliabilityPoints({ rows: all, at, negatives, truths }: ScoreBins, groups: number): Points {
  const points: Points[number][] = [];
  let [rows, positives, predicted, before] = [0, 0, 0, 0];
  for (const [i, bin] of at.entries()) {
    const count = negatives[i]! + truths[i]!;
    rows += count;
    positives += truths[i]!;
    predicted += count * middleOf(bin);
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

/** The share of the rows of one class by logit of the prediction, from the lowest bin of the histogram to the highest, empty ones between. */
export function histogramPoints({ at, negatives, truths }: ScoreBins, kind: 'negatives' | 'truths'): Points {
  const own = kind === 'negatives' ? negatives : truths;
  const total = own.reduce((sum, count) => sum + count, 0);
  if (total === 0) return [];
  const [first, last] = [Math.floor(at[0]! / COARSE), Math.floor(at.at(-1)! / COARSE)];
  const counts = new Float64Array(last - first + 2);
  for (const [i, bin] of at.entries()) counts[Math.floor(bin / COARSE) - first]! += own[i]!;
  // A last one of 0, so that the step of the highest has an end.
  return Array.from(counts, (count, i) => ({ x: ((first + i) * COARSE) / BINS_PER_UNIT, y: count / total }));
}
