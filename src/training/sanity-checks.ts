import { auc as aucMetric } from '../evaluation/auc.js';
import type { Report, OutputReport } from '../evaluation/evaluation.js';
import { logLoss as logLossMetric } from '../evaluation/log-loss.js';
import { pcoc as pcocMetric } from '../evaluation/pcoc.js';
import { listPredictedOutputs, listOutputs } from '../evaluation/outputs.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { Task } from '../core/tasks.js';
import type { ValidationEvent } from './loop.js';
import type { TrainingOptions } from './options.js';
import { MTL } from '../system/command-name.js';

/** Minimum distance of an AUC from 0.5, in standard errors. */
const CHANCE_ERRORS = 2;
/** Predictions that are too high or too low by this factor cause a warning. */
const FAR_FROM_CALIBRATED = 1.5;
/** Minimum number of positives for that warning. */
const MIN_POSITIVES = 50;
/** A log loss this many times the log loss of the base rate indicates diverged weights. */
const FAR_WORSE_THAN_RATE = 1.3;
/** A loss this many times the previous minimum indicates a rising loss. */
const RISING = 1.3;

/** Minimum AUC that suggests label leakage. */
const IMPLAUSIBLE_AUC = 0.98;
/** Minimum number of positives and of negatives for that warning. */
const MIN_CLASS_ROWS = 20;
/** Advice for an AUC of chance, if the weights diverged or not. */
const HIGH_RATE =
  'log loss is far above that of the base rate, so the learning rate is probably too high: try a tenth of it';
const NO_SIGNAL =
  'the fields may not predict it, the learning rate or the number of epochs may be too low, ' +
  'or labels may not match their rows';
/** Maximum number of fields that a warning names. */
const MAX_LEAKS = 3;

/** A field that predicts the label of a task on its own. */
export interface Leak {
  readonly field: string;
  readonly task: string;
  readonly auc: number;
}

/** Warns about implausible results. */
export interface SanityChecks {
  /** Checks the loss of an epoch. */
  milestone(milestone: Pick<ValidationEvent, 'epoch' | 'isEpochEnd' | 'loss'>): void;
  /**
   * Checks the metrics of the best weights, by split.
   * @param findLeaks called if an AUC is implausible; returns the fields that predict a label on their own, by
   * decreasing AUC
   */
  results(metrics: Readonly<Record<string, Report>>, findLeaks: () => Promise<readonly Leak[]>): Promise<void>;
}

/** Warns about learning rates outside their optimizer's usual range. */
export function warnOfRates({ optimizer }: Pick<TrainingOptions, 'optimizer'>, warn: (warning: string) => void): void {
  for (const [key, spec] of Object.entries(optimizer)) {
    if (spec === undefined) continue;
    const {
      name,
      plausibleRates: [min, max],
      options,
    } = optimizers.partOf(spec);
    const { learningRate } = spec;
    if (learningRate >= min && learningRate <= max) continue;
    const usual = options().learningRate.parse(undefined);
    const range = learningRate > max ? `above ${max}` : `below ${min}`;
    warn(
      `training.optimizer.${key}.learningRate is ${learningRate}, but ${name} rarely learns ${range}; ` +
        `start from its default, learningRate: ${usual}`,
    );
  }
}

/**
 * Creates the checks of a run.
 * @param warn receives each warning once, with advice
 */
export function createSanityChecks(
  tasks: readonly Task[],
  training: Pick<TrainingOptions, 'optimizer'>,
  warn: (warning: string) => void,
): SanityChecks {
  warnOfRates(training, warn);
  // Conditional predictions are not meaningful for rows outside their condition.
  const outputs = listPredictedOutputs(listOutputs(tasks)).map(({ name }) => name);
  let min: number | undefined;
  let hasWarned = false;
  return {
    milestone({ epoch, isEpochEnd, loss: { total } }) {
      if (!isEpochEnd) return;
      const previous = min;
      min = Math.min(total, min ?? Infinity);
      if (previous === undefined || hasWarned || total <= RISING * previous || previous <= 0) return;
      hasWarned = true;
      warn(
        `training loss rises from ${previous.toFixed(4)} to ${total.toFixed(4)} in epoch ${epoch}; ` +
          'the learning rate is probably too high, try a tenth of it: ' +
          '--set training.optimizer.dense.learningRate=… --set training.optimizer.embeddings.learningRate=…',
      );
    },
    async results(metrics, findLeaks) {
      const [split, report] = Object.entries(metrics).findLast(([, each]) => Object.keys(each).length > 0) ?? [];
      for (const output of outputs)
        for (const warning of report?.[output] === undefined ? [] : listWarnings(`${split} ${output}`, report[output]))
          warn(warning);
      const implausible = outputs.flatMap((output) =>
        report?.[output] !== undefined && isImplausible(report[output])
          ? [`${output} ${Number(report[output][aucMetric.name]).toFixed(4)}`]
          : [],
      );
      if (implausible.length > 0) warn(formatLeaks(`${split} AUC of ${implausible.join(', ')}`, await findLeaks()));
    },
  };
}

function isImplausible({ rows, positives = 0, ...values }: OutputReport): boolean {
  const auc = values[aucMetric.name];
  return typeof auc === 'number' && auc >= IMPLAUSIBLE_AUC && Math.min(positives, rows - positives) >= MIN_CLASS_ROWS;
}

function formatLeaks(finding: string, leaks: readonly Leak[]): string {
  if (leaks.length === 0)
    return (
      `${finding} is implausibly high, although no single field predicts a label: ` +
      `a combination of fields may be recorded after the event; rank them with ${MTL} importance RUN`
    );
  const fields = leaks
    .slice(0, MAX_LEAKS)
    .map(({ field, task, auc }) => `field '${field}' alone predicts ${task} with an AUC of ${auc.toFixed(4)}`);
  const others = leaks.length > MAX_LEAKS ? `, as do ${leaks.length - MAX_LEAKS} others` : '';
  return (
    `${finding} is implausibly high: ${fields.join(', ')}${others}; ` +
    'remove features that are recorded after the event or contain the label'
  );
}

function* listWarnings(where: string, { rows, positives, ...values }: OutputReport): Generator<string> {
  const [auc, pcoc] = [values[aucMetric.name], values[pcocMetric.name]];
  if (positives === undefined) return;
  const negatives = rows - positives;
  if (typeof auc === 'number' && positives > 0 && negatives > 0) {
    // Standard error of the AUC of a random prediction (Mann & Whitney 1947).
    const error = Math.sqrt((rows + 1) / (12 * positives * negatives));
    if (auc < 0.5 - CHANCE_ERRORS * error)
      yield (
        `${where}: AUC ${auc.toFixed(4)} is worse than chance; ` +
        'check whether the label is inverted, or differs from the training set'
      );
    else if (auc < 0.5 + CHANCE_ERRORS * error) {
      const cause = isDiverged(values[logLossMetric.name], positives / rows) ? HIGH_RATE : NO_SIGNAL;
      yield `${where}: AUC ${auc.toFixed(4)} is no better than chance on ${positives} positives; ${cause}`;
    }
  }
  if (
    typeof pcoc === 'number' &&
    positives >= MIN_POSITIVES &&
    (pcoc > FAR_FROM_CALIBRATED || pcoc < 1 / FAR_FROM_CALIBRATED)
  ) {
    const ratio = pcoc > 1 ? `${pcoc.toFixed(1)} times` : `${(100 * pcoc).toFixed(0)}% of`;
    yield (
      `${where}: predictions are ${ratio} the observed rate (PCOC ${pcoc.toFixed(2)}); the rate may differ from ` +
      'the training set, or the training set may be sampled or weighted; ranking is not affected'
    );
  }
}

/** Returns whether a log loss indicates diverged weights. */
function isDiverged(loss: unknown, rate: number): boolean {
  return (
    typeof loss === 'number' && loss > FAR_WORSE_THAN_RATE * -(rate * Math.log(rate) + (1 - rate) * Math.log1p(-rate))
  );
}
