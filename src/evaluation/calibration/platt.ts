import { fitLogistic } from './fit-logistic.js';
import { defineMethod } from './method.js';

/**
 * Platt scaling: a slope and an intercept of the logit (Platt 1999, "Probabilistic outputs for support vector
 * machines"). The targets of N₊ positives and N₋ negatives are (N₊ + 1) / (N₊ + 2) and 1 / (N₋ + 2), as in the paper,
 * against overconfidence on few rows.
 */
export const platt = defineMethod({
  name: 'platt',
  summary: 'Platt scaling: fitted slope and intercept of the logit',
  options: () => ({}),
  build: () => (ranked) => {
    const [numNegatives, numPositives] = [ranked.negatives.length, ranked.positives.length];
    const targets = { positive: (numPositives + 1) / (numPositives + 2), negative: 1 / (numNegatives + 2) };
    return fitLogistic(ranked, { targets, hasIntercept: true, slopes: { min: -Infinity, max: Infinity } });
  },
});
