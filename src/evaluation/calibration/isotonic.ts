import { floatReader, walkUp } from '../ranked.js';
import { defineMethod } from './method.js';

/** Rows next to each other by prediction that are told one probability, the rate of their positives. */
interface Level {
  readonly first: number;
  readonly last: number;
  readonly positives: number;
  readonly rows: number;
}

/**
 * The rising function that is nearest to the labels, by squares as by log loss (Zadrozny & Elkan 2002,
 * https://doi.org/10.1145/775047.775151), found by
 * pooling neighbours that fall (Ayer et al. 1955). Between two levels it goes straight from the last prediction of one
 * to the first of the
 * other, as scikit-learn does.
 */
export const isotonic = defineMethod({
  name: 'isotonic',
  summary: 'isotonic regression: increasing levels with linear interpolation between them',
  options: () => ({}),
  build: () => (ranked) => {
    const floatOf = floatReader();
    // Their rates rise, so there are few of them whatever the rows are: of n rows at the most about n^(2/3) have
    // different rates.
    const levels: Level[] = [];
    walkUp(ranked, (numNegatives, numPositives, key) => {
      const prediction = floatOf(key);
      let level: Level = {
        first: prediction,
        last: prediction,
        positives: numPositives,
        rows: numNegatives + numPositives,
      };
      for (
        let below = levels.at(-1);
        below !== undefined && below.positives * level.rows >= level.positives * below.rows;
        below = levels.at(-1)
      ) {
        level = {
          first: below.first,
          last: prediction,
          positives: below.positives + level.positives,
          rows: below.rows + level.rows,
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
