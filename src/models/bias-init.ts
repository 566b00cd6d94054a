import type { TaskLoss } from '../losses/loss.js';
import type { LabelSum, Task } from '../core/tasks.js';

/**
 * Initialization of the biases of heads: from the mean label of the training set, or random as all other parameters.
 */
export type BiasInit = 'prior' | 'random';

/** Rates are clamped to this distance from 0 and 1, so that initial biases stay finite. */
const MIN_RATE = 1e-6;

/**
 * Computes the loss weight of rows of label 1. `balanced` gives 1s and 0s the same total weight; 1 if one of them is
 * absent.
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
 * Computes the initial bias of a head: the mean of a number, or the logit of the loss-weighted rate of 1s (Lin et al.
 * 2017, section 3.3, https://arxiv.org/abs/1708.02002, where it is the prior of a rare class). Returns undefined if the
 * loss has several outputs.
 */
export function computeBiasInit(
  task: Pick<Task, 'type' | 'positiveWeight'>,
  loss: Pick<TaskLoss, 'outputs' | 'outputForMean'>,
  sums: LabelSum,
): number | undefined {
  const { weight, sum } = sums;
  if (loss.outputs > 1) return undefined;
  if (weight === 0) return 0;
  if (task.type === 'regression') return loss.outputForMean?.(sum / weight);
  const rate = Math.min(Math.max(sum / weight, MIN_RATE), 1 - MIN_RATE);
  return Math.log((computePositiveWeight(task, sums) * rate) / (1 - rate));
}

/**
 * Computes the initial bias b of a tower that predicts the log loss of such a head as log(1 + e^b): the entropy of the
 * label.
 */
export function computeLossBias(firstBias: number | undefined): number | undefined {
  if (firstBias === undefined) return undefined;
  const logLoss = (logit: number): number => Math.max(-logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));
  const rate = 1 / (1 + Math.exp(-firstBias));
  return Math.log(Math.expm1(rate * logLoss(firstBias) + (1 - rate) * logLoss(-firstBias)));
}
