import { z } from 'zod';

// What is predicted, and what is told in its place. Every method of calibration fits one of these curves, so that
// whatever applies them
// (metrics, predict, serve, ONNX) needs to know no method.

/** σ(slope · logit(p) + intercept). */
const logisticSchema = z.strictObject({ kind: z.literal('logistic'), slope: z.number(), intercept: z.number() });

/** Straight between points that rise from one to the next, and level before the first and behind the last. */
const brokenLineSchema = z
  .strictObject({ kind: z.literal('broken-line'), from: z.array(z.number()).min(1), to: z.array(z.number()) })
  .refine(({ from, to }) => from.length === to.length, 'from and to are of one length');

/** A function from the probability that a model predicts to the one that is told. */
export const curveSchema = z.discriminatedUnion('kind', [logisticSchema, brokenLineSchema]);
export type Curve = z.output<typeof curveSchema>;
export type LogisticCurve = z.output<typeof logisticSchema>;
export type BrokenLine = z.output<typeof brokenLineSchema>;

/** How the predictions of a space are told: the method that found it, and the curve. */
export const calibratorSchema = z.strictObject({ method: z.string(), curve: curveSchema });
export type Calibrator = z.output<typeof calibratorSchema>;

/** The ends of where a probability has a logit: about the least normal float, and the float before 1. */
export const [MIN_PROBABILITY, MAX_PROBABILITY] = [2 ** -126, 1 - 2 ** -24];

/** The logit of a probability, which is kept from 0 and 1. */
export function logit(probability: number): number {
  const p = Math.min(Math.max(probability, MIN_PROBABILITY), MAX_PROBABILITY);
  return Math.log(p / (1 - p));
}

/** By kind of curve: the function of one probability that it is. */
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
      // The last point that is not behind p.
      let [low, high] = [0, from.length];
      while (high - low > 1) {
        const middle = (low + high) >>> 1;
        if (from[middle]! <= p) low = middle;
        else high = middle;
      }
      if (p <= from[low]! || high === from.length) return to[low]!;
      return to[low]! + ((p - from[low]!) / (from[high]! - from[low]!)) * (to[high]! - to[low]!);
    },
};

/** Puts what a curve tells in the place of the first `rows` predictions. */
export function applyCurve(curve: Curve, predictions: Float32Array, rows: number): void {
  // The entry for this kind takes this curve, which the types cannot follow.
  const of = FUNCTIONS[curve.kind](curve as never);
  for (let row = 0; row < rows; row++) predictions[row] = of(predictions[row]!);
}
