import { floatReader, walkUp, type Ranked } from '../ranked.js';
import { logit, type LogisticCurve } from './curve.js';

/** What a slope and an intercept are fitted to. */
export interface LogisticFit {
  /** What the label of each class is taken for: 1 and 0, or a little less sure. */
  readonly targets: { readonly positive: number; readonly negative: number };
  readonly hasIntercept: boolean;
  /** A slope beyond these is none that is looked for. */
  readonly slopes: { readonly least: number; readonly most: number };
}

/** Rows of one logit. */
type TakePoint = (logit: number, numNegatives: number, numPositives: number) => void;
type Points = (take: TakePoint) => void;

/** Parts that rows are put together to for a first guess. */
const PARTS = 4096;
/** Steps at the most; a few are usual. */
const MAX_STEPS = 100;
const MAX_HALVINGS = 40;
/** A step that is so small moves no float of a prediction. */
const SMALL_STEP = 1e-11;

/**
 * The slope and the intercept of a logit with the least log loss, by Newton's method with steps that are halved until
 * they help (Lin, Lin & Weng
 * 2007, https://doi.org/10.1007/s10994-007-5018-6). It begins where the mean logits of some thousand parts of the rows
 * lead, so that all rows
 * are gone through a few times only; nothing is kept of them.
 */
export function fitLogistic(ranked: Ranked, fit: LogisticFit): LogisticCurve {
  const first = { slope: 1, intercept: 0 };
  const guess = newton(inParts(ranked), fit, first);
  return { kind: 'logistic', ...newton(pointsOf(ranked), fit, guess) };
}

function pointsOf(ranked: Ranked): Points {
  const floatOf = floatReader();
  return (take) =>
    walkUp(ranked, (numNegatives, numPositives, key) => take(logit(floatOf(key)), numNegatives, numPositives));
}

/** The same in parts of about as many rows each, with their mean logits. */
function inParts(ranked: Ranked): Points {
  const rowsOfPart = (ranked.negatives.length + ranked.positives.length) / PARTS;
  const parts: Parameters<TakePoint>[] = [];
  let [sum, negatives, positives] = [0, 0, 0];
  const close = (): void => {
    if (negatives + positives > 0) parts.push([sum / (negatives + positives), negatives, positives]);
    [sum, negatives, positives] = [0, 0, 0];
  };
  pointsOf(ranked)((x, numNegatives, numPositives) => {
    sum += x * (numNegatives + numPositives);
    negatives += numNegatives;
    positives += numPositives;
    if (negatives + positives >= rowsOfPart) close();
  });
  close();
  return (take) => {
    for (const part of parts) take(...part);
  };
}

interface Line {
  readonly slope: number;
  readonly intercept: number;
}

/** A loss with its first and second derivatives; the latter by slope twice, by both, and by intercept twice. */
interface Derivatives {
  readonly loss: number;
  readonly gradient: readonly [slope: number, intercept: number];
  readonly curvature: readonly [slope: number, both: number, intercept: number];
}

function newton(points: Points, { targets, hasIntercept, slopes }: LogisticFit, start: Line): Line {
  let line = start;
  let here = derivativesAt(points, targets, line);
  for (let step = 0; step < MAX_STEPS; step++) {
    const [bySlope, byIntercept] = stepOf(here, hasIntercept);
    let isTaken = false;
    let size = 1;
    for (let halvings = 0; !isTaken && halvings < MAX_HALVINGS; halvings++, size /= 2) {
      const next = {
        slope: Math.min(Math.max(line.slope + size * bySlope, slopes.least), slopes.most),
        intercept: line.intercept + size * byIntercept,
      };
      const moved = Math.max(
        Math.abs(next.slope - line.slope) / (1 + Math.abs(line.slope)),
        Math.abs(next.intercept - line.intercept) / (1 + Math.abs(line.intercept)),
      );
      // Rounding of the loss is larger than what such a step changes of it.
      if (moved < SMALL_STEP) return next;
      const there = derivativesAt(points, targets, next);
      isTaken = there.loss <= here.loss;
      if (isTaken) [line, here] = [next, there];
    }
    if (!isTaken) return line;
  }
  return line;
}

/** Where the loss would be least if it were what its derivatives say. */
function stepOf(
  { gradient: [g, h], curvature: [a, b, c] }: Derivatives,
  hasIntercept: boolean,
): readonly [number, number] {
  if (!hasIntercept) return [a > 0 ? -g / a : 0, 0];
  // Where all logits are one, nothing tells a slope.
  const determinant = a * c - b * b;
  return determinant > 1e-12 * a * c
    ? [-(c * g - b * h) / determinant, -(a * h - b * g) / determinant]
    : [0, c > 0 ? -h / c : 0];
}

function derivativesAt(
  points: Points,
  { positive, negative }: LogisticFit['targets'],
  { slope, intercept }: Line,
): Derivatives {
  let [loss, g, h, a, b, c] = [0, 0, 0, 0, 0, 0];
  points((x, numNegatives, numPositives) => {
    const z = slope * x + intercept;
    const rows = numNegatives + numPositives;
    const target = numPositives * positive + numNegatives * negative;
    // With the exponential of what is below 0, nothing is too large.
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
