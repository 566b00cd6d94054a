import type { EncodedColumns } from './encoded-columns.js';

/** The kind of a label: a class with additive log odds, or an additive number. */
export type LabelKind = 'class' | 'number';

/** An additive model: every field has an effect of its own, without interactions. */
export interface Additive {
  /** By row: the first derivative of the log-likelihood with respect to the score, and the negated second one. */
  readonly gradients: Float64Array;
  readonly curvatures: Float64Array;
  add(field: EncodedColumns): void;
  /** Fits all fields in turn, `sweeps` more times. */
  fit(sweeps: number): void;
  /** Returns the mean negative log-likelihood per row; for numbers, without the constant term. */
  loss(): number;
}

/** Minimum variance of a field's effects, so that an uninformative field is shrunk to 0. */
const MIN_VARIANCE = 1e-4;

/**
 * Creates an additive model, fitted field by field with Newton steps (backfitting; Hastie & Tibshirani 1990, section
 * 4.4). Effects are shrunk by their variance within a field, estimated in the first step by the method of moments.
 */
export function createAdditive(labels: ArrayLike<number>, kind: LabelKind): Additive {
  const { length } = labels;
  const mean = Array.from(labels).reduce((sum, y) => sum + y, 0) / length;
  const variance =
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
      gradients[row] = (labels[row]! - scores[row]!) / variance;
      curvatures[row] = 1 / variance;
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
            : (labels[row]! - score) ** 2 / (2 * variance);
      }
      return sum / length;
    },
  };
}

/** Interleaved sums of gradients and curvatures: `step` elements per effect. */
export interface EffectSums {
  readonly sums: Float64Array;
  readonly end: number;
  readonly step: number;
  /** Offsets of the two within an effect. */
  readonly gradient: number;
  readonly curvature: number;
}

/**
 * Estimates the variance τ² of effects by moments: sums of gradients g and curvatures h have E[g²] = h + h² τ² (as in
 * DerSimonian & Laird 1986).
 */
export function computeVariance({ sums, end, step, gradient, curvature }: EffectSums): number {
  let [excess, squares] = [0, 0];
  for (let offset = 0; offset < end; offset += step) {
    const h = sums[offset + curvature]!;
    excess += sums[offset + gradient]! ** 2 - h;
    squares += h ** 2;
  }
  return squares === 0 ? 0 : excess / squares;
}
