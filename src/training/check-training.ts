import { didYouMean, joined } from '../core/errors.js';
import type { ValidationIssue } from '../core/component.js';
import { buildSchedule } from '../schedules/schedules.js';
import { weightings } from '../weightings/weightings.js';
import type { TrainingOptions } from './options.js';

/**
 * What no part of a training can know alone; paths start at its section.
 * @param terms names of the loss's terms, where they are known
 */
export function* checkTraining(
  { schedule, lossWeighting, earlyStopping, lossWeights }: TrainingOptions,
  terms: readonly string[] | undefined,
): Generator<ValidationIssue> {
  const wrongTerms = terms === undefined ? [] : (weightings.build(lossWeighting).checkTerms?.(terms) ?? []);
  for (const { path, message } of wrongTerms) yield { path: ['lossWeighting', ...path], message };
  for (const name of terms === undefined ? [] : Object.keys(lossWeights)) {
    if (!terms!.includes(name))
      yield {
        path: ['lossWeights', name],
        message: joined(`the loss has no term '${name}'; its terms are ${terms!.join(', ')}`, didYouMean(name, terms!)),
      };
  }
  yield* checkPatience(buildSchedule(schedule).patience, earlyStopping);
}

/** A schedule that waits for progress has its turn before training stops for want of it. */
function* checkPatience(
  patience: ReturnType<typeof buildSchedule>['patience'],
  earlyStopping: TrainingOptions['earlyStopping'],
): Generator<ValidationIssue> {
  if (patience === undefined || earlyStopping === undefined) return;
  if (patience.measurements < earlyStopping.patience || patience.minDelta > earlyStopping.minDelta) return;
  const message = `expected less than the ${earlyStopping.patience} of training.earlyStopping.patience, found ${patience.measurements}: training would stop before the rate falls; let earlyStopping wait longer`;
  yield { path: ['schedule', 'patience'], message };
}
