import type { EncodedColumns } from './encoded-columns.js';

/** What a label of some rows is like: a class, whose log odds add up, or a number that adds up itself. */
export type LabelKind = 'class' | 'number';

/** A model in which every field has its say for itself, and none together with another. */
export interface Additive {
  /** By row: the first derivative of the log-likelihood in the score, and the second with its sign turned. */
  readonly gradients: Float64Array;
  readonly curvatures: Float64Array;
  /** Adds a field to it. */
  add(field: EncodedColumns): void;
  /** Goes on to fit all of its fields, one after the other, so many times. */
  fit(sweeps: number): void;
  /** The mean negative log-likelihood of a row; of numbers, without what does not depend on the model. */
  loss(): number;
}

/** A field's effects are not held to be smaller than this, squared, so that one that says nothing takes no part. */
const MIN_VARIANCE = 1e-4;

/**
 * Fits such a model by Newton's steps, a field at a time (backfitting; Hastie & Tibshirani 1990, section 4.4). How much
 * a value's effect is
 * drawn to 0 follows from how much effects of its field differ, found from the first step by the method of moments.
 */
export function createAdditive(labels: ArrayLike<number>, kind: LabelKind): Additive {
  const { length } = labels;
  const mean = Array.from(labels).reduce((sum, y) => sum + y, 0) / length;
  const spread =
    kind === 'class'
      ? 1
      : Math.max(Array.from(labels).reduce((sum, y) => sum + (y - mean) ** 2, 0) / length, Number.MIN_VALUE);
  const scores = new Float64Array(length).fill(kind === 'class' ? Math.log(mean / (1 - mean)) : mean);
  const gradients = new Float64Array(length);
  const curvatures = new Float64Array(length);
  const fitted: { readonly field: EncodedColumns; readonly effects: Float64Array; precision: number | undefined }[] =
    [];

  const update = (row: number): void => {
    if (kind === 'class') {
      const p = 1 / (1 + Math.exp(-scores[row]!));
      gradients[row] = labels[row]! - p;
      curvatures[row] = p * (1 - p);
    } else {
      gradients[row] = (labels[row]! - scores[row]!) / spread;
      curvatures[row] = 1 / spread;
    }
  };
  for (let row = 0; row < length; row++) update(row);

  const step = (each: (typeof fitted)[number]): void => {
    const {
      field: { codes, size },
      effects,
    } = each;
    const sums = new Float64Array(2 * size);
    for (let row = 0; row < length; row++) {
      sums[2 * codes[row]!]! += gradients[row]!;
      sums[2 * codes[row]! + 1]! += curvatures[row]!;
    }
    const precision = (each.precision ??=
      1 / Math.max(computeVariance({ sums, end: sums.length, step: 2, gradient: 0, curvature: 1 }), MIN_VARIANCE));
    const change = effects.map(
      (effect, code) => (sums[2 * code]! - precision * effect) / (sums[2 * code + 1]! + precision),
    );
    for (let code = 0; code < size; code++) effects[code]! += change[code]!;
    for (let row = 0; row < length; row++) {
      scores[row]! += change[codes[row]!]!;
      update(row);
    }
  };

  return {
    gradients,
    curvatures,
    add: (field) => void fitted.push({ field, effects: new Float64Array(field.size), precision: undefined }),
    fit(sweeps) {
      for (let sweep = 0; sweep < sweeps; sweep++) fitted.forEach(step);
    },
    loss() {
      let sum = 0;
      for (let row = 0; row < length; row++) {
        const score = scores[row]!;
        sum +=
          kind === 'class'
            ? Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score))) - labels[row]! * score
            : (labels[row]! - score) ** 2 / (2 * spread);
      }
      return sum / length;
    },
  };
}

/** Sums of gradients and of curvatures, side by side: `step` numbers for each effect. */
export interface EffectSums {
  readonly sums: Float64Array;
  readonly end: number;
  readonly step: number;
  /** Places of the two among the numbers of an effect. */
  readonly gradient: number;
  readonly curvature: number;
}

/**
 * How much effects differ, squared: a sum of gradients g and one of curvatures h have E[g²] = h + h² τ² (by moments, as
 * DerSimonian & Laird 1986).
 */
export function computeVariance({ sums, end, step, gradient, curvature }: EffectSums): number {
  let [excess, squares] = [0, 0];
  for (let at = 0; at < end; at += step) {
    const h = sums[at + curvature]!;
    excess += sums[at + gradient]! ** 2 - h;
    squares += h ** 2;
  }
  return squares === 0 ? 0 : excess / squares;
}
