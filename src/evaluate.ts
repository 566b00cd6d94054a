import { parseDialect } from './data/dialect.js';
import { listSplitFiles, type DataOptions, type Paths } from './data/options.js';
import { rejectPolicy } from './data/rows/rejects.js';
import { splitStates } from './data/counters/counter-start.js';
import { withKeys } from './data/rows/row-format.js';
import { CounterPass } from './data/sources/counter-pass.js';
import { absolute } from './data/sources/find-files.js';
import type { Access } from './data/sources/source.js';
import { openSplits, type SplitFiles, type Splits } from './data/sources/splits.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { userError } from './core/errors.js';
import type { Report } from './evaluation/evaluation.js';
import { findLargestDifference } from './evaluation/largest-difference.js';
import { listKeyColumns } from './evaluation/options.js';
import type { TableFormat } from './tables/row-formats.js';
import { TrainingOverlap } from './trained-model/training-overlap.js';
import { compileTrained, readTrainedModel, withEvents, type TrainedModel } from './trained-model/trained-model.js';
import { evaluateBatches, EVALUATION_BATCH_ROWS, type EvaluatedRows } from './training/evaluate-batches.js';

export interface MeasureOptions extends EngineOptions, Pick<Access, 'verifyData'> {
  /** Files, directories, globs or shards that replace the data of the config. */
  readonly data?: Paths | undefined;
  /** Columns to segment all metrics by, in place of the config's. */
  readonly segmentBy?: readonly string[] | undefined;
  onWarning(text: string): void;
  /** Abort to stop; the call rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

export interface EvaluateOptions extends MeasureOptions {
  /** A run or a checkpoint. */
  readonly path: string;
  /** Whether to measure uncalibrated predictions. Default: false. */
  readonly raw?: boolean | undefined;
  /** Format of embedding tables to compare with `f32`. Default: `f32`, which compares nothing. */
  readonly tables?: TableFormat | undefined;
}

export interface Measured {
  /** One report per split. */
  readonly metrics: Readonly<Record<string, Report>>;
  readonly rejectedRows: number;
  /** The same rows with quantized tables, if requested. */
  readonly quantized?: QuantizedMeasured | undefined;
}

/** Measures of quantized tables. */
export interface QuantizedMeasured {
  readonly tables: TableFormat;
  /** One report per split. */
  readonly metrics: Readonly<Record<string, Report>>;
  /** Largest absolute difference of a prediction from that with `f32` tables, by split and output. */
  readonly largestDifferences: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface EvaluateResult extends Measured {
  /** Directory of the checkpoint. */
  readonly checkpoint: string;
  /** Number of optimizer steps. */
  readonly step: number;
}

/**
 * Measures a checkpoint on its validation and test sets, or on other data.
 * Returns the same metrics that training reported.
 */
export async function evaluate({ path, raw, tables = 'f32', ...options }: EvaluateOptions): Promise<EvaluateResult> {
  const model = await readTrainedModel(path, { raw });
  const { folder, checkpoint } = model;
  // Of the same checkpoint, even if the path names another one by now.
  const quantized = tables === 'f32' ? undefined : await readTrainedModel(folder, { raw, tables });
  return { checkpoint: folder, step: checkpoint.program.step, ...(await measure(model, options, quantized)) };
}

/**
 * Measures a loaded model on its validation and test sets, or on other data, which is reported as test.
 * @param quantized the same model with quantized tables, to measure next to it
 * @throws UserError (data), (usage)
 */
export async function measure(
  trained: TrainedModel,
  { data, segmentBy, verifyData, onWarning, signal, ...engineOptions }: MeasureOptions,
  quantized?: TrainedModel,
): Promise<Measured> {
  const access = { cache: { folder: trained.experiment.data.cache, onWarning }, verifyData, signal };
  const model = await withEvents(trained, access);
  const { experiment, outputs, graph } = model;
  const measuring = { ...model.measuring, ...(segmentBy !== undefined && { by: segmentBy }) };
  const format = withKeys(model.format, listKeyColumns(measuring));
  const sources = await openMeasured({ ...model, format }, data, 'mtl eval');

  const overlap = new TrainingOverlap(model, data);
  const engine = await createEngine(engineOptions);
  const programs = [compileTrained(model, engine, onWarning)];
  try {
    if (quantized !== undefined) programs.push(compileTrained(quantized, engine, onWarning));
    const policy = rejectPolicy(experiment.data);
    const evaluated = new Map<string, readonly EvaluatedRows[]>();
    for (const [split, rows] of Object.entries(sources)) {
      if (rows === undefined) continue;
      const dataset = await rows.dataset(format, { ...access, policy, threads: engineOptions.threads });
      const how = { outputs, measuring, keyTexts: dataset.keyTexts, terms: graph.terms };
      const all: EvaluatedRows[] = [];
      for (const [i, program] of programs.entries()) {
        const batches = dataset.batches(EVALUATION_BATCH_ROWS);
        all.push(await evaluateBatches(program, i === 0 ? overlap.watch(batches) : batches, how, signal));
      }
      evaluated.set(split, all);
      if (data === undefined) continue;
      const { trained: seen, early } = await overlap.find(rows, access);
      for (const text of [seen, early]) if (text !== undefined) onWarning(text);
    }
    return {
      metrics: mapSplits(evaluated, ([rows]) => rows!.report),
      rejectedRows: policy.count,
      ...(quantized !== undefined && { quantized: compareQuantized(quantized, evaluated) }),
    };
  } finally {
    for (const program of programs) program.dispose();
  }
}

/** Compares rows with quantized tables, the second of each split, with those in single precision, the first. */
function compareQuantized(
  { outputs, checkpoint: { tableFormat = 'f32' } }: TrainedModel,
  evaluated: ReadonlyMap<string, readonly EvaluatedRows[]>,
): QuantizedMeasured {
  return {
    tables: tableFormat,
    metrics: mapSplits(evaluated, ([, rows]) => rows!.report),
    largestDifferences: mapSplits(evaluated, ([exact, rounded]) =>
      Object.fromEntries(
        outputs.map((output) => [output.name, findLargestDifference(exact!.scores(output), rounded!.scores(output))]),
      ),
    ),
  };
}

function mapSplits<Value>(
  evaluated: ReadonlyMap<string, readonly EvaluatedRows[]>,
  toValue: (rows: readonly EvaluatedRows[]) => Value,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(Array.from(evaluated, ([split, rows]) => [split, toValue(rows)]));
}

/**
 * Opens the validation and test sets of a model, or other data as its test set.
 * @param verb command named in the error if there is neither
 * @throws UserError (data) with the problems of all files; (usage) if the config has no set to measure
 */
export async function openMeasured(
  { checkpoint, experiment: { data: options }, format, tasks }: TrainedModel,
  data: Paths | undefined,
  verb: string,
): Promise<Splits<SplitFiles>> {
  const { where, split } = options;
  const rows = data === undefined ? { where, split } : { where };
  return openSplits(
    selectFiles(options, data, verb),
    format,
    data === undefined ? 'name other data with --data' : 'paths are taken from the working directory',
    parseDialect(options),
    rows,
    { compute: CounterPass.of(options, tasks, splitStates(checkpoint.states.counters))?.compute },
  );
}

function selectFiles(options: DataOptions, data: Paths | undefined, verb: string): SplitFiles {
  if (data !== undefined) return { test: absolute(data) };
  const { valid, test } = listSplitFiles(options);
  if (valid !== undefined || test !== undefined) return { valid, test };
  throw userError('usage', {
    where: verb,
    message: 'the config has neither data.valid nor data.test',
    fix: 'name data with --data',
  });
}
