import { stringify } from 'yaml';
import { loadConfig, parseConfig, type LoadedConfig } from './config/load.js';
import { parseOverride } from './config/overrides.js';
import { UserError, type Problem } from './core/errors.js';
import {
  evaluate as evaluateModel,
  type EvaluateOptions as AllEvaluateOptions,
  type EvaluateResult,
} from './evaluate.js';
import { predict as predictData, type PredictOptions as AllPredictOptions, type PredictResult } from './predict.js';
import { train as trainConfig, type TrainOptions as AllTrainOptions } from './train.js';
import type { TrainObserver, TrainResult } from './training/observer.js';

// The public library API. The reference in the docs is generated from these docstrings.

export { loadModel } from './trained-model/load-model.js';
export type {
  ExplainedItem,
  ExplainedSequence,
  Explanation,
  ItemAttention,
  WrittenColumn,
} from './trained-model/explainer.js';
export type {
  EventOptions,
  ExplainRowOptions,
  LoadOptions,
  Model,
  ModelInput,
  Predictions,
  PredictRowsOptions,
} from './trained-model/load-model.js';
export type { Columns, OnMissing, Row } from './data/objects/given-rows.js';
export type { InvalidRow } from './data/objects/row-problems.js';
export type { Value, Item, NestedItem } from './data/objects/value-column.js';
export { UserError } from './core/errors.js';
export type { ErrorKind, Problem } from './core/errors.js';
export type { EvaluateResult } from './evaluate.js';
export type { Report } from './evaluation/evaluation.js';
export type { CalibrationReport, OutputReport } from './evaluation/output-report.js';
export type { TableRow } from './evaluation/metric.js';
export type { PredictResult } from './predict.js';
export type { RankOptions } from './predict/top-rows.js';
export type { StopReason, ValidationEvent } from './training/loop.js';
export type { StepProgress } from './training/steps-in-flight.js';
export type { Baseline, TrainObserver, TrainResult, TrainStart } from './training/observer.js';

/** Options of `train`: the options of `mtl train`, and callbacks for progress. */
export interface TrainOptions
  extends Partial<Omit<AllTrainOptions, 'overrides' | 'baselines'>>, Partial<TrainObserver> {
  /** Config overrides, as in `['training.epochs=5']`. */
  readonly set?: readonly string[];
}

/**
 * Trains a config into a new run directory, or resumes a run.
 * @param config path of a YAML file, or its contents as an object with paths relative to the working directory
 * @returns the run directory, its best epoch and the metrics of each split
 * @example
 * const { run, metrics } = await train('config.yaml', {
 *   set: ['training.epochs=1'],
 *   onValidation: ({ epoch, loss }) => console.log(epoch, loss.total),
 * });
 * console.log(run, metrics.test);
 * @throws UserError for an invalid config, unreadable data or a diverged loss
 */
export async function train(
  config: string | object,
  { set = [], device = 'auto', signal = NEVER, ...options }: TrainOptions = {},
): Promise<TrainResult> {
  const observer: TrainObserver = {
    onRead: ignore,
    onWarning: ignore,
    onStart: ignore,
    onStep: ignore,
    onValidation: ignore,
    ...options,
  };
  const loaded =
    typeof config === 'string' ? await loadConfig(config, set.map(parseOverride)) : parseConfigObject(config, set);
  return trainConfig(loaded, { ...options, device, signal, overrides: set }, observer);
}

/** Options of `evaluate`: the options of `mtl eval`. */
export type EvaluateOptions = Partial<Omit<AllEvaluateOptions, 'path'>>;

/**
 * Computes the metrics of a run (its best checkpoint) or a checkpoint, on the validation and test sets of its config or
 * on other data.
 * @param path run directory or checkpoint
 * @returns metrics by split, output and metric name
 * @example
 * const { metrics } = await evaluate('runs/latest', { data: 'data/test.csv' });
 * console.log(metrics.test?.ctr?.auc);
 * @throws UserError for an invalid path or unreadable data
 */
export async function evaluate(
  path: string,
  { device = 'auto', signal = NEVER, onWarning = ignore, ...options }: EvaluateOptions = {},
): Promise<EvaluateResult> {
  return evaluateModel({ ...options, path, device, signal, onWarning });
}

/** Options of `predict`: the options of `mtl predict`. */
export type PredictOptions = Pick<AllPredictOptions, 'data' | 'out'> &
  Partial<Omit<AllPredictOptions, 'path' | 'data' | 'out'>>;

/**
 * Predicts every row of a data set with a run (its best checkpoint) or a checkpoint, and writes the predictions to a
 * file. Streams the rows: memory does not grow with the data.
 * @param path run directory or checkpoint
 * @returns the number of rows and the written columns
 * @example
 * const { rows, columns } = await predict('runs/latest', {
 *   data: 'data/test.csv',
 *   out: 'scores.csv',
 *   keep: ['101', '205'],
 * });
 * console.log(rows, columns);
 * @throws UserError for an invalid path or unreadable data
 */
export async function predict(
  path: string,
  { device = 'auto', keep = [], prefix = '', signal = NEVER, onWarning = ignore, ...options }: PredictOptions,
): Promise<PredictResult> {
  return predictData({ ...options, path, device, keep, prefix, signal, onWarning });
}

const NEVER = new AbortController().signal;
const ignore = (): void => undefined;

/** File name of a config without a file. Its runs have this name if the config sets none. */
const NO_FILE = 'config.yaml';

/** Parses a config object; its problems have no line. */
function parseConfigObject(config: object, set: readonly string[]): LoadedConfig {
  const source = stringify(config);
  try {
    return { experiment: parseConfig(source, NO_FILE, set.map(parseOverride)), source };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const withoutLine = ({ where, ...problem }: Problem): Problem =>
      where === undefined || where.startsWith(NO_FILE) ? problem : { where, ...problem };
    throw new UserError(error.kind, error.problems.map(withoutLine), { cause: error });
  }
}
