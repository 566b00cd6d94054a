import { byOption } from './by-option.js';
import { above, defineLoss, meanOfPositives, probability, type TaskLoss } from './loss.js';

/**
 * -log of the share that a row of label 1 has in the softmax of the scores of its group (ListNet's top-one
 * probabilities: Cao et al. 2007,
 * https://doi.org/10.1145/1273496.1273513; as softmax loss: Bruch et al. 2019,
 * https://doi.org/10.1145/3341981.3344221), the mean over the rows
 * of label 1 that count.
 */
export const listwise = defineLoss({
  name: 'listwise',
  summary: 'listwise softmax loss within groups; predictions are not probabilities',
  options: () => ({ by: byOption }),
  taskTypes: ['classification'],
  says: 'score',
  takesScaling: false,

  build({ by }) {
    const rows: TaskLoss['rows'] = (g, score, label, groups) =>
      g.multiply(g.stopGradient(label), above(g, g.groupLogSumExp(score, groups!), score));
    return { outputs: 1, by, predict: probability, rows, mean: meanOfPositives(rows) };
  },
});
