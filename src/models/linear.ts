import { buildHead, type ModelContext, type ModelOutput } from './model.js';

/** Builds a linear model per task, which is logistic for probabilities: the wide part and a bias. */
export function linearHeads({ g, tasks }: ModelContext): ModelOutput {
  const heads = tasks.map((task) => {
    const sum = task.wide!;
    // A layer of zeros gives its bias alone.
    const bias = g.linear(g.affine(sum, 0, 0), sum.width, `linear.${task.name}`, { firstBias: task.firstBias });
    return buildHead(g, task, g.add(sum, bias));
  });
  return {
    predictions: new Map(tasks.map(({ name }, t) => [name, heads[t]!.prediction])),
    terms: heads.map(({ term }) => term),
  };
}
