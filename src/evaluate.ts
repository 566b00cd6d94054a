import { dialectOf } from './data/dialect.js';
import { splitFilesOf, type DataOptions, type Paths } from './data/options.js';
import { rejectPolicy } from './data/rows/rejects.js';
import { withKeys } from './data/rows/row-format.js';
import { absolute } from './data/sources/find-files.js';
import type { Access } from './data/sources/source.js';
import { openSplits, type SplitFiles, type Splits } from './data/sources/splits.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { userError } from './core/errors.js';
import type { Report } from './evaluation/evaluation.js';
import { listKeyColumns } from './evaluation/options.js';
import { compileTrained, readTrainedModel, type TrainedModel } from './trained-model/trained-model.js';
import { evaluateBatches, EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';

/** What a model is evaluated on, and how. */
export interface MeasureOptions extends EngineOptions, Pick<Access, 'verifyData'> {
  /** Files, folders or globs of CSV or Parquet, or shards, in place of the config's data. */
  readonly data?: Paths | undefined;
  /** Columns of the data by whose values all is measured once more, in place of those of the config. */
  readonly by?: readonly string[] | undefined;
  /** Told what people should know. */
  onWarning(text: string): void;
  /** Aborted to give up; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** What is evaluated, and on what. */
export interface EvaluateOptions extends MeasureOptions {
  /** A run or a checkpoint. */
  readonly path: string;
  /** Measures what the model predicts itself, not as it is calibrated. */
  readonly raw?: boolean | undefined;
}

/** What was measured. */
export interface Measured {
  /** By split. */
  readonly metrics: Readonly<Record<string, Report>>;
  readonly rejectedRows: number;
}

/** What an evaluation found. */
export interface EvaluateResult extends Measured {
  /** The folder of the checkpoint. */
  readonly checkpoint: string;
  /** Optimizer steps behind its weights. */
  readonly step: number;
}

/** Measures a checkpoint on valid and test, or on other data; the same numbers that training printed. */
export async function evaluate({ path, raw, ...options }: EvaluateOptions): Promise<EvaluateResult> {
  const model = await readTrainedModel(path, { raw });
  return { checkpoint: model.folder, step: model.checkpoint.program.step, ...(await measure(model, options)) };
}

/** Measures a model that was read. */
export async function measure(
  model: TrainedModel,
  { data, by, verifyData, onWarning, signal, ...engineOptions }: MeasureOptions,
): Promise<Measured> {
  const { experiment, spaces, graph } = model;
  const measuring = { ...model.measuring, ...(by !== undefined && { by }) };
  const format = withKeys(model.format, listKeyColumns(measuring));
  const sources = await openMeasured({ ...model, format }, data, 'mtl eval');

  const program = compileTrained(model, await createEngine(engineOptions), onWarning);
  try {
    const policy = rejectPolicy(experiment.data);
    const metrics: Record<string, Report> = {};
    for (const [split, rows] of Object.entries(sources)) {
      if (rows === undefined) continue;
      const dataset = await rows.dataset(format, {
        policy,
        cache: { folder: experiment.data.cache, onWarning },
        verifyData,
        threads: engineOptions.threads,
        signal,
      });
      metrics[split] = (
        await evaluateBatches(
          program,
          dataset.batches(EVALUATION_BATCH_ROWS),
          { spaces, measuring, keyTexts: dataset.keyTexts, terms: graph.terms },
          signal,
        )
      ).report;
    }
    return { metrics, rejectedRows: policy.count };
  } finally {
    program.dispose();
  }
}

/**
 * Opens what a model is measured on: valid and test, or data of the user's, which stands for test.
 * @param verb named where there is neither
 * @throws UserError (data) with the problems of all files; (usage)
 */
export async function openMeasured(
  { experiment: { data: options }, format }: TrainedModel,
  data: Paths | undefined,
  verb: string,
): Promise<Splits<SplitFiles>> {
  const { where, split } = options;
  const rows = data === undefined ? { where, split } : { where };
  return openSplits(
    filesOf(options, data, verb),
    format,
    data === undefined ? 'name other data with --data' : 'paths are taken from the working directory',
    dialectOf(options),
    rows,
  );
}

function filesOf(options: DataOptions, data: Paths | undefined, verb: string): SplitFiles {
  if (data !== undefined) return { test: absolute(data) };
  const { valid, test } = splitFilesOf(options);
  if (valid !== undefined || test !== undefined) return { valid, test };
  throw userError('usage', {
    where: verb,
    message: 'the config has neither data.valid nor data.test',
    fix: 'name data with --data',
  });
}
