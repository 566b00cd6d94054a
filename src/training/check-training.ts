import { didYouMean, joined } from '../core/errors.js';
import type { ValidationIssue } from '../core/component.js';
import { buildSchedule } from '../schedules/schedules.js';
import { weightings } from '../weightings/weightings.js';
import type { TrainingOptions } from './options.js';

/**
 * Validates the section `training` across components; paths are relative to it.
 * @param terms names of the loss terms, if known
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
        message: joined(`unknown loss term '${name}'; expected one of ${terms!.join(', ')}`, didYouMean(name, terms!)),
      };
  }
  yield* checkPatience(buildSchedule(schedule).patience, earlyStopping);
}

/** Requires that a schedule with patience decays before early stopping ends the training. */
function* checkPatience(
  patience: ReturnType<typeof buildSchedule>['patience'],
  earlyStopping: TrainingOptions['earlyStopping'],
): Generator<ValidationIssue> {
  if (patience === undefined || earlyStopping === undefined) return;
  if (patience.measurements < earlyStopping.patience || patience.minDelta > earlyStopping.minDelta) return;
  const message =
    `expected less than training.earlyStopping.patience (${earlyStopping.patience}), ` +
    `found ${patience.measurements}: training would stop before the decay; increase earlyStopping.patience`;
  yield { path: ['schedule', 'patience'], message };
}
