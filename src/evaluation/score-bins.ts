import type { Chunk } from './chunk.js';
import { createFloatReader, orderBits, rankClasses, type Ranked } from './ranked.js';
import { cachedSums, type Scores } from './scores.js';

/**
 * Bins of equal width in the logit, so that rare events have the same resolution: p differs by at most 1.6% within a
 * bin.
 */
export const BINS_PER_UNIT = 64;
/** Outermost bins: larger logits, where p is within 1.2e-7 of 0 or 1, are clamped. */
const LARGEST_LOGIT = 16;
const FIRST = -LARGEST_LOGIT * BINS_PER_UNIT;
const COUNT = -2 * FIRST;

/** Observed and predicted positives of some rows; JSON. */
export interface ScoreSums {
  readonly rows: number;
  readonly positives: number;
  /** Sum of the predictions. */
  readonly predicted: number;
}

/** Histogram of the predictions of an output by class, for charts; JSON. */
export interface ScoreBins extends ScoreSums {
  /** Nonempty bins in increasing order: the logits of bin `at` start at `at / BINS_PER_UNIT`. */
  readonly at: readonly number[];
  /** Rows per bin and class. */
  readonly negatives: readonly number[];
  readonly truths: readonly number[];
}

/** Computes the histogram of a classification; independent of row order. */
export function binScores(scores: Scores): ScoreBins {
  const { negatives, positives } = scores.ranked();
  const bins: { readonly [Each in 'at' | 'negatives' | 'truths']: number[] } = { at: [], negatives: [], truths: [] };
  let n = 0;
  let p = 0;
  while (n < negatives.length || p < positives.length) {
    const smallest =
      p === positives.length || (n < negatives.length && negatives[n]! < positives[p]!) ? negatives[n]! : positives[p]!;
    const bin = toBin(readFloat(smallest));
    const end = getBinEnd(bin);
    const nextNegative = findEnd(end, negatives, n);
    const nextPositive = findEnd(end, positives, p);
    bins.at.push(bin);
    bins.negatives.push(nextNegative - n);
    bins.truths.push(nextPositive - p);
    n = nextNegative;
    p = nextPositive;
  }
  return { rows: scores.rows, positives: positives.length, predicted: scores.sum('predictions'), ...bins };
}

/** Returns the first index from which sorted keys are at least `end`. */
function findEnd(end: number, keys: Uint32Array, begin: number): number {
  const { length } = keys;
  let at = begin;
  while (at < length && keys[at]! < end) at++;
  return at;
}

/** Upper key of each bin, computed on demand. */
const ends = new Float64Array(COUNT);

/** Returns the smallest key beyond a bin. Floats are spaced widely enough that logarithms preserve their order. */
function getBinEnd(bin: number): number {
  const index = bin - FIRST;
  if (index === COUNT - 1) return Infinity;
  return (ends[index] ||= computeBinEnd(bin));
}

const readFloat = createFloatReader();
const near = new Uint32Array(1);
const nearFloat = new Float32Array(near.buffer);

function computeBinEnd(bin: number): number {
  nearFloat[0] = 1 / (1 + Math.exp(-(bin + 1) / BINS_PER_UNIT));
  orderBits(near);
  // Rounding is off by at most a few keys.
  let end = near[0]!;
  while (toBin(readFloat(end - 1)) > bin) end--;
  while (toBin(readFloat(end)) <= bin) end++;
  return end;
}

/** Sums the rows of a classification; independent of row order. */
export function sumScores(scores: Scores): ScoreSums {
  return { rows: scores.rows, positives: scores.sum('labels'), predicted: scores.sum('predictions') };
}

/** Returns the bin of a prediction. */
function toBin(prediction: number): number {
  // A model that divides probabilities may predict more than 1.
  const bounded = prediction < 0 ? 0 : prediction > 1 ? 1 : prediction;
  const bin = Math.floor(BINS_PER_UNIT * (Math.log(bounded) - Math.log1p(-bounded)));
  return bin < FIRST ? FIRST : bin < FIRST + COUNT ? bin : FIRST + COUNT - 1;
}

/** Returns the prediction at the center of a bin. */
export function computeBinCenter(bin: number): number {
  return 1 / (1 + Math.exp(-(bin + 0.5) / BINS_PER_UNIT));
}

/**
 * Expands a histogram to its rows, each with the prediction at the center of its bin. Standard errors of the expanded
 * rows are within 1% of the standard errors of the original rows. Groups are lost.
 * @param constant prediction of every row, in place of its own
 */
export function expandBins({ rows, at, negatives, truths }: ScoreBins, constant?: number): Scores {
  function* chunks(): Generator<Chunk> {
    for (const [i, bin] of at.entries())
      for (const [label, numRows] of [negatives[i]!, truths[i]!].entries())
        yield {
          labels: new Float32Array(numRows).fill(label),
          predictions: new Float32Array(numRows).fill(constant ?? computeBinCenter(bin)),
        };
  }
  let ranked: Ranked | undefined;
  const scores: Scores = {
    rows,
    ranked: () => (ranked ??= rankClasses(rows, scores)),
    grouped(by) {
      throw new Error(`a histogram has no column ${by}`);
    },
    sum: cachedSums(chunks),
    [Symbol.iterator]: chunks,
  };
  return scores;
}
