import { createFloatReader, walkUp } from '../ranked.js';
import { defineMethod } from './method.js';

/** Rows of adjacent predictions with the same calibrated probability, their positive rate. */
interface Level {
  readonly first: number;
  readonly last: number;
  readonly positives: number;
  readonly rows: number;
}

/**
 * Isotonic regression: the increasing function closest to the labels in squared error and in log loss (Zadrozny & Elkan
 * 2002, https://doi.org/10.1145/775047.775151), by pooling adjacent violators (Ayer et al. 1955). Between two levels it
 * is linear from the last prediction of one to the first of the next, as in scikit-learn.
 */
export const isotonic = defineMethod({
  name: 'isotonic',
  summary: 'isotonic regression: increasing levels with linear interpolation between them',
  options: () => ({}),
  build: () => (ranked) => {
    const readFloat = createFloatReader();
    // Rates increase, so n rows have at most about n^(2/3) levels.
    const levels: Level[] = [];
    walkUp(ranked, (numNegatives, numPositives, key) => {
      const prediction = readFloat(key);
      let level: Level = {
        first: prediction,
        last: prediction,
        positives: numPositives,
        rows: numNegatives + numPositives,
      };
      for (
        let previous = levels.at(-1);
        previous !== undefined && previous.positives * level.rows >= level.positives * previous.rows;
        previous = levels.at(-1)
      ) {
        level = {
          first: previous.first,
          last: prediction,
          positives: previous.positives + level.positives,
          rows: previous.rows + level.rows,
        };
        levels.pop();
      }
      levels.push(level);
    });
    const points = levels.flatMap(({ first, last, positives, rows }) =>
      (first === last ? [first] : [first, last]).map((prediction) => [prediction, positives / rows] as const),
    );
    return { kind: 'broken-line', from: points.map(([from]) => from), to: points.map(([, to]) => to) };
  },
});
