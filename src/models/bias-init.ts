import type { TaskLoss } from '../losses/loss.js';
import type { LabelSum, Task } from '../core/tasks.js';

/** Where the biases of heads start: at what train's labels are on average, or drawn like all others. */
export type BiasInit = 'prior' | 'random';

/** A class is not held to be rarer than this before it was learned. */
const MIN_RATE = 1e-6;

/**
 * What a row weighs in a task's loss whose label is 1: balanced, so much that its 1s and its 0s weigh alike; 1 where
 * one of the two is not there.
 */
export function computePositiveWeight(
  { positiveWeight = 1 }: Pick<Task, 'positiveWeight'>,
  sums: LabelSum | undefined,
): number {
  if (positiveWeight !== 'balanced') return positiveWeight;
  const { weight, sum } = sums ?? { weight: 0, sum: 0 };
  return sum > 0 && weight > sum ? (weight - sum) / sum : 1;
}

/**
 * What a head should say before it knows any feature: the mean of a number, or the logit of how probable a 1 is (Lin et
 * al. 2017,
 * section 3.3, https://arxiv.org/abs/1708.02002, where a rare class begins at its prior), which counts as often as the
 * loss weighs it. Undefined where a
 * loss takes more than such a number.
 */
export function computeBiasInit(
  task: Pick<Task, 'type' | 'positiveWeight'>,
  loss: Pick<TaskLoss, 'outputs' | 'ofMean'>,
  sums: LabelSum,
): number | undefined {
  const { weight, sum } = sums;
  if (loss.outputs > 1) return undefined;
  if (weight === 0) return 0;
  if (task.type === 'regression') return loss.ofMean?.(sum / weight);
  const rate = Math.min(Math.max(sum / weight, MIN_RATE), 1 - MIN_RATE);
  return Math.log((computePositiveWeight(task, sums) * rate) / (1 - rate));
}

/**
 * The first bias b of a tower that tells the log loss of such a head as log(1 + e^b): of a head that knows no feature,
 * that is the entropy of its class.
 */
export function computeLossBias(firstBias: number | undefined): number | undefined {
  if (firstBias === undefined) return undefined;
  const logLoss = (logit: number): number => Math.max(-logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));
  const rate = 1 / (1 + Math.exp(-firstBias));
  return Math.log(Math.expm1(rate * logLoss(firstBias) + (1 - rate) * logLoss(-firstBias)));
}
