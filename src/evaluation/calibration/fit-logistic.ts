import { fitLogisticLine, type LogisticFit, type Points, type TakePoint } from '../../core/logistic-line.js';
import { createFloatReader, walkUp, type Ranked } from '../ranked.js';
import { logit, type LogisticCurve } from './curve.js';

/** Number of bins for the initial guess. */
const PARTS = 4096;

/**
 * Fits slope and intercept of the logit that minimize log loss. It starts from a fit to about 4,000 bins, so that it
 * passes over all rows only a few times. Nothing is copied.
 */
export function fitLogistic(ranked: Ranked, fit: LogisticFit): LogisticCurve {
  const first = { slope: 1, intercept: 0 };
  const guess = fitLogisticLine(createBinnedPoints(ranked), fit, first);
  return { kind: 'logistic', ...fitLogisticLine(createPoints(ranked), fit, guess) };
}

function createPoints(ranked: Ranked): Points {
  const readFloat = createFloatReader();
  return (take) =>
    walkUp(ranked, (numNegatives, numPositives, key) => take(logit(readFloat(key)), numNegatives, numPositives));
}

/** Returns the points binned into parts of about equal row counts, with their mean logits. */
function createBinnedPoints(ranked: Ranked): Points {
  const rowsOfPart = (ranked.negatives.length + ranked.positives.length) / PARTS;
  const parts: Parameters<TakePoint>[] = [];
  let [sum, negatives, positives] = [0, 0, 0];
  const close = (): void => {
    if (negatives + positives > 0) parts.push([sum / (negatives + positives), negatives, positives]);
    [sum, negatives, positives] = [0, 0, 0];
  };
  createPoints(ranked)((x, numNegatives, numPositives) => {
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
