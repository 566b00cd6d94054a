import { auc as aucMetric } from '../evaluation/auc.js';
import type { Report, OutputReport } from '../evaluation/evaluation.js';
import { logLoss as logLossMetric } from '../evaluation/log-loss.js';
import { pcoc as pcocMetric } from '../evaluation/pcoc.js';
import { listPredictedOutputs, listOutputs } from '../evaluation/outputs.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { Task } from '../core/tasks.js';
import type { ValidationEvent } from './loop.js';
import type { TrainingOptions } from './options.js';

/** Standard errors that an AUC has to be away from a half to be more than chance. */
const CHANCE_ERRORS = 2;
/** Predictions that are so many times too high, or too low, are told. */
const FAR_FROM_CALIBRATED = 1.5;
/** Positives that it takes to say so. */
const MIN_POSITIVES = 50;
/** A log loss that is so many times that of predicting the rate of positives is one of weights that ran away. */
const FAR_WORSE_THAN_RATE = 1.3;
/** A loss that is so many times its first is rising for good. */
const RISING = 1.3;

/** AUC from which on a field is likely to know the label. */
const IMPLAUSIBLE_AUC = 0.98;
/** Positives and negatives that it takes to say so. */
const MIN_CLASS_ROWS = 20;
/** Fields that are named. */
const MAX_LEAKS = 3;

/** A field that alone predicts the label of a task. */
export interface Leak {
  readonly field: string;
  readonly task: string;
  readonly auc: number;
}

/** Looks at what is measured for what makes no sense, though it is no error. */
export interface SanityChecks {
  /** Of an epoch, or part of one. */
  milestone(milestone: Pick<ValidationEvent, 'epoch' | 'isEpochEnd' | 'loss'>): void;
  /**
   * Of the best weights, by split.
   * @param findLeaks asked for the fields that alone predict a label, the largest AUC first, if an AUC is implausible
   */
  results(metrics: Readonly<Record<string, Report>>, findLeaks: () => Promise<readonly Leak[]>): Promise<void>;
}

/** Reports each learning rate that is beyond what its optimizer's own file holds plausible, before a step is taken. */
export function warnOfRates({ optimizer }: Pick<TrainingOptions, 'optimizer'>, warn: (notice: string) => void): void {
  for (const [key, spec] of Object.entries(optimizer)) {
    if (spec === undefined) continue;
    const {
      name,
      plausibleRates: [least, most],
      options,
    } = optimizers.partOf(spec);
    const { learningRate } = spec;
    if (learningRate >= least && learningRate <= most) continue;
    const usual = options().learningRate.parse(undefined);
    warn(
      `training.optimizer.${key}.learningRate is ${learningRate}, and ${name} rarely learns anything ${learningRate > most ? `above ${most}` : `below ${least}`}; write learningRate: ${usual}, its default, and go on from there`,
    );
  }
}

/**
 * A watch over a run.
 * @param tell told what looks wrong, and what to do about it, each once
 */
export function createSanityChecks(
  tasks: readonly Task[],
  training: Pick<TrainingOptions, 'optimizer'>,
  warn: (notice: string) => void,
): SanityChecks {
  warnOfRates(training, warn);
  // What is predicted where a task is given another's label is of no use elsewhere.
  const spaces = listPredictedOutputs(listOutputs(tasks)).map(({ name }) => name);
  let least: number | undefined;
  let isTold = false;
  return {
    milestone({ epoch, isEpochEnd, loss: { total } }) {
      if (!isEpochEnd) return;
      const before = least;
      least = Math.min(total, least ?? Infinity);
      if (before === undefined || isTold || total <= RISING * before || before <= 0) return;
      isTold = true;
      warn(
        `the loss of train rises: ${before.toFixed(4)} before, ${total.toFixed(4)} in epoch ${epoch}; the learning rate is likely too high, try a tenth of it: --set training.optimizer.dense.learningRate=… --set training.optimizer.embeddings.learningRate=…`,
      );
    },
    async results(metrics, findLeaks) {
      const [split, report] = Object.entries(metrics).findLast(([, each]) => Object.keys(each).length > 0) ?? [];
      for (const space of spaces)
        for (const notice of report?.[space] === undefined ? [] : noticesOf(`${split} ${space}`, report[space]))
          warn(notice);
      const implausible = spaces.flatMap((space) =>
        report?.[space] !== undefined && isImplausible(report[space])
          ? [`${space} ${Number(report[space][aucMetric.name]).toFixed(4)}`]
          : [],
      );
      if (implausible.length > 0) warn(leakNotice(`${split} AUC of ${implausible.join(', ')}`, await findLeaks()));
    },
  };
}

function isImplausible({ rows, positives = 0, ...values }: OutputReport): boolean {
  const auc = values[aucMetric.name];
  return typeof auc === 'number' && auc >= IMPLAUSIBLE_AUC && Math.min(positives, rows - positives) >= MIN_CLASS_ROWS;
}

function leakNotice(found: string, leaks: readonly Leak[]): string {
  if (leaks.length === 0)
    return `${found} is implausibly high, though no field alone predicts a label: a combination of fields may be written after the fact; mtl importance RUN ranks them`;
  const named = leaks
    .slice(0, MAX_LEAKS)
    .map(({ field, task, auc }) => `field '${field}' alone predicts ${task} with an AUC of ${auc.toFixed(4)}`);
  const others = leaks.length > MAX_LEAKS ? `, as do ${leaks.length - MAX_LEAKS} others` : '';
  return `${found} is implausibly high: ${named.join(', ')}${others}; leave out of features what is written after the fact or holds the label`;
}

function* noticesOf(where: string, { rows, positives, ...values }: OutputReport): Generator<string> {
  const [auc, pcoc] = [values[aucMetric.name], values[pcocMetric.name]];
  if (positives === undefined) return;
  const negatives = rows - positives;
  if (typeof auc === 'number' && positives > 0 && negatives > 0) {
    // Of the AUC of a prediction that knows nothing (Mann & Whitney 1947).
    const error = Math.sqrt((rows + 1) / (12 * positives * negatives));
    if (auc < 0.5 - CHANCE_ERRORS * error)
      yield `${where}: an AUC of ${auc.toFixed(4)} ranks worse than chance: the label may be turned round, or mean another thing there than on train`;
    else if (auc < 0.5 + CHANCE_ERRORS * error)
      yield `${where}: an AUC of ${auc.toFixed(4)} is no better than chance on ${positives} positives: ${isFarOff(values[logLossMetric.name], positives / rows) ? 'its log loss is far above that of predicting the rate of positives for every row, so that the learning rate is likely too high: try a tenth of it' : 'the fields may say nothing of it, the learning rate may be too low or the epochs too few, or labels and rows may not belong together'}`;
  }
  if (
    typeof pcoc === 'number' &&
    positives >= MIN_POSITIVES &&
    (pcoc > FAR_FROM_CALIBRATED || pcoc < 1 / FAR_FROM_CALIBRATED)
  ) {
    yield `${where}: predictions are ${pcoc > 1 ? `${pcoc.toFixed(1)} times as high as` : `${(100 * pcoc).toFixed(0)}% of`} what happens (PCOC ${pcoc.toFixed(2)}): its rate may be another than on train, or train may be sampled or weighted; what ranks is not touched by it`;
  }
}

/** Whether a log loss is one of weights that ran away. */
function isFarOff(loss: unknown, rate: number): boolean {
  return (
    typeof loss === 'number' && loss > FAR_WORSE_THAN_RATE * -(rate * Math.log(rate) + (1 - rate) * Math.log1p(-rate))
  );
}
