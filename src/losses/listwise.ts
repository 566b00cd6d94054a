import { groupByOption } from './group-by-option.js';
import { subtract, defineLoss, meanOverPositives, probability, type TaskLoss } from './loss.js';

/**
 * -log of the softmax, over the scores of the group, at a row of label 1; the mean over the rows of label 1 that count.
 * ListNet's top-one probabilities (Cao et al. 2007, https://doi.org/10.1145/1273496.1273513), also known as softmax
 * loss (Bruch et al. 2019, https://doi.org/10.1145/3341981.3344221).
 */
export const listwise = defineLoss({
  name: 'listwise',
  summary: 'listwise softmax loss within groups; predictions are not probabilities',
  options: () => ({ groupBy: groupByOption }),
  taskTypes: ['classification'],
  outputKind: 'score',
  takesScaling: false,

  build({ groupBy }) {
    const rows: TaskLoss['rows'] = (g, score, label, groups) =>
      g.multiply(g.stopGradient(label), subtract(g, g.groupLogSumExp(score, groups!), score));
    return { outputs: 1, groupBy, predict: probability, rows, mean: meanOverPositives(rows) };
  },
});
