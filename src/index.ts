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

// The package as a library: all that a program may import. docs/api.md is made of the texts here.

export { loadModel } from './trained-model/load-model.js';
export type { LoadOptions, Model, ModelInput, Predictions, PredictRowsOptions } from './trained-model/load-model.js';
export type { BadRow, Columns, OnMissing, Row } from './data/rows/object-rows.js';
export type { Cell, Item } from './data/rows/encode-values.js';
export { UserError } from './core/errors.js';
export type { ErrorKind, Problem } from './core/errors.js';
export type { EvaluateResult } from './evaluate.js';
export type { Report } from './evaluation/evaluation.js';
export type { CalibrationReport, OutputReport } from './evaluation/output-report.js';
export type { TableRow } from './evaluation/metric.js';
export type { PredictResult } from './predict.js';
export type { RankOptions } from './predict/top-rows.js';
export type { StopReason, ValidationEvent, StepProgress } from './training/loop.js';
export type { TrainObserver, TrainResult, TrainStart } from './training/observer.js';

/** How a run is trained: what `mtl train` takes, and who is told what happens. */
export interface TrainOptions extends Partial<Omit<AllTrainOptions, 'overrides'>>, Partial<TrainObserver> {
  /** Changes to the config, as in `['training.epochs=5']`. */
  readonly set?: readonly string[];
}

/**
 * Trains what a config describes, into a new run folder, or goes on with a run.
 * @param config the path of a YAML file, or what it would hold as an object, whose paths start at the working directory
 * @example
 * const { run, metrics } = await train('config.yaml', { set: ['training.epochs=1'], onMilestone: ({ epoch, loss }) =>
 * console.log(epoch, loss.total) });
 * console.log(run, metrics.test);
 * @throws UserError
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
    onMilestone: ignore,
    ...options,
  };
  const loaded = typeof config === 'string' ? await loadConfig(config, set.map(parseOverride)) : configOf(config, set);
  return trainConfig(loaded, { ...options, device, signal, overrides: set }, observer);
}

/** How a model is measured: what `mtl eval` takes. */
export type EvaluateOptions = Partial<Omit<AllEvaluateOptions, 'path'>>;

/**
 * Measures a run (its best checkpoint) or a checkpoint, on the config's valid and test or on other data.
 * @example
 * const { metrics } = await evaluate('runs/latest', { data: 'data/test.csv' });
 * console.log(metrics.test?.ctr?.auc);
 * @throws UserError
 */
export async function evaluate(
  path: string,
  { device = 'auto', signal = NEVER, onWarning = ignore, ...options }: EvaluateOptions = {},
): Promise<EvaluateResult> {
  return evaluateModel({ ...options, path, device, signal, onWarning });
}

/** What is predicted and where it goes: what `mtl predict` takes. */
export type PredictOptions = Pick<AllPredictOptions, 'data' | 'out'> &
  Partial<Omit<AllPredictOptions, 'path' | 'data' | 'out'>>;

/**
 * Predicts every row of some data with a run (its best checkpoint) or a checkpoint, and writes what was predicted, in
 * memory of one size.
 * @example
 * const { rows, columns } = await predict('runs/latest', { data: 'data/test.csv', out: 'scores.csv', keep: ['101',
 * '205'] });
 * console.log(rows, columns);
 * @throws UserError
 */
export async function predict(
  path: string,
  { device = 'auto', keep = [], prefix = '', signal = NEVER, onWarning = ignore, ...options }: PredictOptions,
): Promise<PredictResult> {
  return predictData({ ...options, path, device, keep, prefix, signal, onWarning });
}

const NEVER = new AbortController().signal;
const ignore = (): void => undefined;

/** Stands for the file of a config that none holds; its runs have this name where the config says none. */
const NO_FILE = 'config.yaml';

/** A config that no file holds; its problems have no line. */
function configOf(config: object, set: readonly string[]): LoadedConfig {
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
