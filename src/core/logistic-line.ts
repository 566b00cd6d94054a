/** Options of a logistic fit. */
export interface LogisticFit {
  /** Target per class: 1 and 0, or smoothed. */
  readonly targets: { readonly positive: number; readonly negative: number };
  readonly hasIntercept: boolean;
  /** Bounds of the slope. */
  readonly slopes: { readonly min: number; readonly max: number };
}

/** Receives rows with the same value of the variable. */
export type TakePoint = (x: number, numNegatives: number, numPositives: number) => void;
/** Calls a function for each point, the same ones each time. */
export type Points = (take: TakePoint) => void;

/** Maximum number of Newton steps; a few are usual. */
const MAX_STEPS = 100;
const MAX_HALVINGS = 40;
/** A relative step below this changes no float prediction. */
const SMALL_STEP = 1e-11;

/** Log odds as a straight line. */
export interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** A loss with its gradient and Hessian (slope-slope, slope-intercept, intercept-intercept). */
interface Derivatives {
  readonly loss: number;
  readonly gradient: readonly [slope: number, intercept: number];
  readonly curvature: readonly [slope: number, both: number, intercept: number];
}

/**
 * Fits the line that minimizes log loss, by Newton's method with step halving (Lin, Lin & Weng 2007,
 * https://doi.org/10.1007/s10994-007-5018-6).
 */
export function fitLogisticLine(points: Points, { targets, hasIntercept, slopes }: LogisticFit, start: Line): Line {
  let line = start;
  let current = computeDerivatives(points, targets, line);
  for (let step = 0; step < MAX_STEPS; step++) {
    const [bySlope, byIntercept] = computeNewtonStep(current, hasIntercept);
    let isAccepted = false;
    let size = 1;
    for (let halvings = 0; !isAccepted && halvings < MAX_HALVINGS; halvings++, size /= 2) {
      const next = {
        slope: Math.min(Math.max(line.slope + size * bySlope, slopes.min), slopes.max),
        intercept: line.intercept + size * byIntercept,
      };
      const relativeStep = Math.max(
        Math.abs(next.slope - line.slope) / (1 + Math.abs(line.slope)),
        Math.abs(next.intercept - line.intercept) / (1 + Math.abs(line.intercept)),
      );
      // The rounding error of the loss exceeds the effect of such a step.
      if (relativeStep < SMALL_STEP) return next;
      const candidate = computeDerivatives(points, targets, next);
      isAccepted = candidate.loss <= current.loss;
      if (isAccepted) [line, current] = [next, candidate];
    }
    if (!isAccepted) return line;
  }
  return line;
}

/** Computes the Newton step. */
function computeNewtonStep(
  { gradient: [g, h], curvature: [a, b, c] }: Derivatives,
  hasIntercept: boolean,
): readonly [number, number] {
  if (!hasIntercept) return [a > 0 ? -g / a : 0, 0];
  // If all logits are equal, the slope is undetermined.
  const determinant = a * c - b * b;
  return determinant > 1e-12 * a * c
    ? [-(c * g - b * h) / determinant, -(a * h - b * g) / determinant]
    : [0, c > 0 ? -h / c : 0];
}

function computeDerivatives(
  points: Points,
  { positive, negative }: LogisticFit['targets'],
  { slope, intercept }: Line,
): Derivatives {
  let [loss, g, h, a, b, c] = [0, 0, 0, 0, 0, 0];
  points((x, numNegatives, numPositives) => {
    const z = slope * x + intercept;
    const rows = numNegatives + numPositives;
    const target = numPositives * positive + numNegatives * negative;
    // A nonpositive exponent cannot overflow.
    const small = Math.exp(-Math.abs(z));
    const p = z >= 0 ? 1 / (1 + small) : small / (1 + small);
    loss += rows * (Math.max(z, 0) + Math.log1p(small)) - target * z;
    const difference = rows * p - target;
    const weight = rows * p * (1 - p);
    g += difference * x;
    h += difference;
    a += weight * x * x;
    b += weight * x;
    c += weight;
  });
  return { loss, gradient: [g, h], curvature: [a, b, c] };
}
