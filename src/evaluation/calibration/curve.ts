import { z } from 'zod';
import { countAtMost } from '../../core/count-at-most.js';

// Functions from predicted to calibrated probabilities. Every calibration method fits one of these curves, so that code
// that applies them (metrics, predict, serve, ONNX) does not depend on methods.

/** σ(slope · logit(p) + intercept). */
const logisticSchema = z.strictObject({ kind: z.literal('logistic'), slope: z.number(), intercept: z.number() });

/** Linear between increasing points, constant before the first and after the last. */
const brokenLineSchema = z
  .strictObject({ kind: z.literal('broken-line'), from: z.array(z.number()).min(1), to: z.array(z.number()) })
  .refine(({ from, to }) => from.length === to.length, 'from and to must have equal lengths');

/** Schema of a function from predicted to calibrated probabilities. */
export const curveSchema = z.discriminatedUnion('kind', [logisticSchema, brokenLineSchema]);
export type Curve = z.output<typeof curveSchema>;
export type LogisticCurve = z.output<typeof logisticSchema>;

/** Calibrator of an output: its method and its curve. */
export const calibratorSchema = z.strictObject({ method: z.string(), curve: curveSchema });
export type Calibrator = z.output<typeof calibratorSchema>;

/** Bounds of probabilities with a finite logit: about the smallest normal float, and the largest float below 1. */
export const [MIN_PROBABILITY, MAX_PROBABILITY] = [2 ** -126, 1 - 2 ** -24];

/** Computes the logit of a probability, clamped away from 0 and 1. */
export function logit(probability: number): number {
  const p = Math.min(Math.max(probability, MIN_PROBABILITY), MAX_PROBABILITY);
  return Math.log(p / (1 - p));
}

/** Implementations per kind of curve. */
const FUNCTIONS: {
  readonly [Kind in Curve['kind']]: (curve: Extract<Curve, { readonly kind: Kind }>) => (p: number) => number;
} = {
  logistic:
    ({ slope, intercept }) =>
    (p) =>
      1 / (1 + Math.exp(-(slope * logit(p) + intercept))),
  'broken-line':
    ({ from, to }) =>
    (p) => {
      const low = Math.max(0, countAtMost(from, p) - 1);
      const high = low + 1;
      if (p <= from[low]! || high === from.length) return to[low]!;
      return to[low]! + ((p - from[low]!) / (from[high]! - from[low]!)) * (to[high]! - to[low]!);
    },
};

/** Applies a curve in place to the first `rows` predictions. */
export function applyCurve(curve: Curve, predictions: Float32Array, rows: number): void {
  // The entry of this kind accepts this curve, which TypeScript cannot infer.
  const curveFunction = FUNCTIONS[curve.kind](curve as never);
  for (let row = 0; row < rows; row++) predictions[row] = curveFunction(predictions[row]!);
}
