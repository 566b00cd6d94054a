import type { EncodedColumns } from './encoded-columns.js';
import { bestShrinkage, EFFECT_WORDS, heldOutGains, sumEffects, type Derivatives } from './held-out.js';

/** The kind of a label: a class with additive log odds, or an additive number. */
export type LabelKind = 'class' | 'number';

/** A field of an additive model, with an effect per code. */
interface FittedField {
  readonly field: EncodedColumns;
  readonly effects: Float64Array;
  /** Inverse variance of the effects; undefined before the first step. */
  precision: number | undefined;
}

/**
 * An additive model: every field has an effect of its own, without interactions. Newton steps fit field by field
 * (backfitting; Hastie & Tibshirani 1990, section 4.4). Effects are shrunk by the variance with the largest held-out
 * gain in the field's first step. A number is measured in standard deviations.
 */
export class Additive implements Derivatives {
  readonly gradients: Float64Array;
  readonly curvatures: Float64Array;
  readonly #isClass: boolean;
  readonly #labels: ArrayLike<number>;
  readonly #scores: Float64Array;
  readonly #fitted: FittedField[] = [];

  constructor(values: ArrayLike<number>, kind: LabelKind) {
    const { length } = values;
    const mean = meanOf(values);
    this.#isClass = kind === 'class';
    const deviation = Math.sqrt(meanOf(Float64Array.from(values, (y) => (y - mean) ** 2)));
    this.#labels = this.#isClass ? values : Float64Array.from(values, (y) => (y - mean) / deviation);
    this.#scores = new Float64Array(length).fill(this.#isClass ? Math.log(mean / (1 - mean)) : 0);
    this.gradients = new Float64Array(length);
    this.curvatures = new Float64Array(length);
    for (let row = 0; row < length; row++) this.#differentiate(row);
  }

  add(field: EncodedColumns): void {
    this.#fitted.push({ field, effects: new Float64Array(field.size), precision: undefined });
  }

  /** Fits all fields in turn, `sweeps` more times. */
  fit(sweeps: number): void {
    for (let sweep = 0; sweep < sweeps; sweep++) for (const each of this.#fitted) this.#step(each);
  }

  /** Returns the mean negative log-likelihood per row; for numbers, without the constant term. */
  loss(): number {
    let sum = 0;
    for (const [row, score] of this.#scores.entries()) {
      const label = this.#labels[row]!;
      sum += this.#isClass
        ? Math.max(score, 0) + Math.log1p(Math.exp(-Math.abs(score))) - label * score
        : (label - score) ** 2 / 2;
    }
    return sum / this.#scores.length;
  }

  #differentiate(row: number): void {
    const score = this.#scores[row]!;
    const expected = this.#isClass ? 1 / (1 + Math.exp(-score)) : score;
    this.gradients[row] = this.#labels[row]! - expected;
    this.curvatures[row] = this.#isClass ? expected * (1 - expected) : 1;
  }

  #step(each: FittedField): void {
    const { codes, size } = each.field;
    const sums = new Float64Array(EFFECT_WORDS * size);
    sumEffects(this, sums, (row) => codes[row]!);
    const precision = (each.precision ??= 1 / bestShrinkage(heldOutGains(sums, sums.length)));
    const change = each.effects.map((effect, code) => {
      const [g0, g1, h0, h1] = sums.subarray(EFFECT_WORDS * code);
      return (g0! + g1! - precision * effect) / (h0! + h1! + precision);
    });
    for (let code = 0; code < size; code++) each.effects[code]! += change[code]!;
    for (let row = 0; row < codes.length; row++) {
      this.#scores[row]! += change[codes[row]!]!;
      this.#differentiate(row);
    }
  }
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}
