import { groupByOption } from './group-by-option.js';
import { defineLoss, meanOverPositives, probability, type TaskLoss } from './loss.js';

/**
 * log(1 + e^(s_j - s_i)) for a row i of label 1 and a row j of label 0 of its group: the mean over all such j, then
 * over the rows of label 1 that count. RankNet (Burges et al. 2005, https://doi.org/10.1145/1102351.1102363); BPR
 * (Rendle et al. 2009, https://arxiv.org/abs/1205.2618).
 */
export const pairwise = defineLoss({
  name: 'pairwise',
  summary: 'pairwise ranking loss within groups; predictions are not probabilities',
  options: () => ({ groupBy: groupByOption }),
  taskTypes: ['classification'],
  outputKind: 'score',
  takesScaling: false,

  build({ groupBy }) {
    const rows: TaskLoss['rows'] = (g, score, label, groups) => g.groupPairs(score, label, groups!);
    return { outputs: 1, groupBy, predict: probability, rows, mean: meanOverPositives(rows) };
  },
});
