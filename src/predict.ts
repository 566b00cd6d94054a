import { realpathSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { CounterPlan } from './data/counters/counter-plan.js';
import { splitStates } from './data/counters/counter-start.js';
import { parseDialect, type DialectOptions } from './data/dialect.js';
import type { DataOptions, Paths } from './data/options.js';
import { refuseBadRows, skipBadRows, type RejectPolicy } from './data/rows/rejects.js';
import { dataColumns, type EncodedFormat, type RowFormat } from './data/rows/row-format.js';
import type { ComputedColumns } from './data/sources/computed-columns.js';
import { streamCounters } from './data/sources/counter-columns.js';
import { absolute, formatPaths } from './data/sources/find-files.js';
import { openSource } from './data/sources/open-source.js';
import type { ReadProgress, Source } from './data/sources/source.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import type { Program } from './engines/engine.js';
import type { PredictionPrecision } from './engines/precision.js';
import type { TableFormat } from './tables/row-formats.js';
import { userError, type UserError } from './core/errors.js';
import { listPredictedOutputs } from './evaluation/outputs.js';
import { scoredColumns, type ColumnOptions } from './predict/columns.js';
import { openCursorFile } from './predict/cursor-file.js';
import { openOutput } from './predict/output.js';
import { GroupedPredictor, type RankingProgram } from './predict/grouped-rows.js';
import { createScorer } from './predict/scorer.js';
import { rankedBy, topRows, type RankOptions } from './predict/top-rows.js';
import {
  compileTrained,
  readTrainedModel,
  unlabeledFormat,
  withEvents,
  type TrainedModel,
} from './trained-model/trained-model.js';

/** Options that `predict` takes. */
export interface PredictOptions extends EngineOptions, ColumnOptions {
  /** A run or a checkpoint. */
  readonly path: string;
  /**
   * Files, directories or globs of CSV, JSON Lines or Parquet, or shards, with or without labels; - for CSV or JSON
   * Lines on standard input.
   */
  readonly data: Paths;
  /** Whether to write uncalibrated predictions. Default: false. */
  readonly raw?: boolean | undefined;
  /** Precision of matrix products; `bf16` is faster on processors with AVX-512-BF16. Default: `f32`. */
  readonly precision?: PredictionPrecision | undefined;
  /** Format of embedding tables in memory. Default: `f32`. */
  readonly tables?: TableFormat | undefined;
  /** Overrides the config's text format. */
  readonly format?: DialectOptions['format'];
  /** A file with a known extension, or a stream for CSV. */
  readonly out: string | Writable;
  /** Writes only the top rows of each group. */
  readonly top?: RankOptions | undefined;
  /**
   * Column of the data, such as the user: what consecutive rows with equal values have in common is computed once.
   * Predictions are the same, except for rounding. Default: each row is computed alone.
   */
  readonly groupBy?: string | undefined;
  /** Overrides the config's policy for invalid rows. */
  readonly onBadRow?: DataOptions['onBadRow'] | undefined;
  /**
   * File with the end of the rows that were predicted: only rows after it are predicted, and it is updated once they
   * are written. A last line without a line end is not a row yet. Default: all rows.
   */
  readonly cursor?: string | undefined;
  /** Receives the read progress. */
  onProgress?(progress: ReadProgress): void;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Aborts the prediction; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** Result of a prediction. */
export interface PredictResult {
  /** Directory of the checkpoint. */
  readonly checkpoint: string;
  /** Number of optimizer steps of the checkpoint. */
  readonly step: number;
  /** Rows of the data. */
  readonly rows: number;
  /** Output columns, in order. */
  readonly columns: readonly string[];
  /** Rows without a prediction: invalid ones, and those with a non-finite prediction. */
  readonly rejectedRows: number;
}

/** Predicts all rows and writes the predictions in row order, in constant memory. */
export async function predict(options: PredictOptions): Promise<PredictResult> {
  const {
    path,
    data,
    raw,
    out,
    groupBy,
    cursor: cursorPath,
    onProgress,
    onWarning,
    signal,
    precision,
    tables,
  } = options;
  const trained = await readTrainedModel(path, { raw, isShared: true, tables });
  const cache = { folder: trained.experiment.data.cache, onWarning };
  const model = await withEvents(trained, { cache, onProgress, signal });
  const { folder, checkpoint, experiment } = model;
  const format = unlabeledFormat(model);
  const source = await openPredicted(model, format, data, options.format);
  refuseInputs(out, source);
  if (cursorPath !== undefined && experiment.data.counters !== undefined) throw refuseCursor();
  const position = cursorPath === undefined ? undefined : await openCursorFile(cursorPath, source);
  const output = openOutput(out, options.threads);
  const outputs = listPredictedOutputs(model.outputs);
  const { columns, ranked, groupColumns } = planColumns(options, source, outputs);
  if (ranked !== undefined) onWarning(ranked.warning);

  const compiling = { isRanked: groupBy !== undefined, precision };
  const program = compileTrained(model, await createEngine(options), onWarning, compiling);
  try {
    const isSkipping = (options.onBadRow ?? experiment.data.onBadRow) === 'skip';
    const policy = isSkipping ? skipBadRows(undefined, experiment.data.maxRejects) : refuseWithCure;
    const scorer = createScorer({
      program,
      outputs,
      fields: format.fields,
      maxNonFiniteRows: isSkipping ? experiment.data.maxRejects : 0,
      grouped: groupBy === undefined ? undefined : createGroupedPredictor(program, format),
    });
    await output(columns, async (file) => {
      const writer = ranked === undefined ? file : topRows(ranked, file);
      const how = { isOnlyRead: true, cursor: position?.cursor, isGrowing: position !== undefined };
      file.takeTypes?.(source.typesOf(columns.inputs));
      const keepsTypes = file.takeTypes !== undefined;
      const reading = { policy, ...how, keepsTypes, onProgress, onWarning, threads: options.threads, signal };
      for await (const rows of source.stream(format, [...columns.inputs, ...groupColumns], reading))
        await writer.write(await scorer.score(rows));
      await writer.end();
    });
    await position?.save();
    return {
      checkpoint: folder,
      step: checkpoint.program.step,
      rows: scorer.rows,
      columns: [...columns.inputs, ...columns.predictions],
      rejectedRows: policy.count + scorer.nonFiniteRows,
    };
  } finally {
    program.dispose();
  }
}

/** @throws UserError (usage) for an output that is also a file of the data */
function refuseInputs(out: PredictOptions['out'], { path, files }: Source): void {
  if (typeof out === 'string' && [path, ...files].some((each) => isSameFile(out, each)))
    throw userError('usage', { where: '--out', message: 'is also the input data', fix: 'use another file' });
}

/**
 * Finds the columns to write, those that group rows, and the order of rows, if they are ranked.
 * @throws UserError (data) for a column that the data lacks
 */
function planColumns(
  { data, keep, prefix, top, groupBy }: Pick<PredictOptions, 'data' | 'keep' | 'prefix' | 'top' | 'groupBy'>,
  source: Source,
  outputs: ReturnType<typeof listPredictedOutputs>,
) {
  const columns = scoredColumns(
    { keep: top === undefined ? keep : [top.by, ...keep], prefix },
    formatPaths(data),
    source.columns,
    outputs.map(({ name }) => name),
  );
  const ranked = top && rankedBy(top, columns, outputs);
  const groupColumns = groupBy === undefined ? [] : [groupBy];
  scoredColumns({ keep: groupColumns, prefix }, formatPaths(data), source.columns, []);
  return { columns, ranked, groupColumns };
}

/** @throws UserError (usage) if the device does not predict candidates of a user */
function createGroupedPredictor(program: Program, { fields }: EncodedFormat): GroupedPredictor {
  if (!ranks(program))
    throw userError('usage', {
      where: '--group-by',
      message: 'without --top requires the CPU',
      fix: 'add --device cpu, or remove it',
    });
  return new GroupedPredictor(
    program,
    fields.map(({ name }) => name),
  );
}

const ranks = (program: Program): program is RankingProgram => program.createRanker !== undefined;

/**
 * Opens data whose rows are predicted, all of them in order.
 * @param format without labels
 * @param textFormat overrides the config's text format
 * @throws UserError (data)
 */
export function openPredicted(
  model: TrainedModel,
  format: RowFormat,
  data: Paths,
  textFormat: DialectOptions['format'],
): Promise<Source> {
  const dialect = { ...parseDialect(model.experiment.data), ...(textFormat !== undefined && { format: textFormat }) };
  return openSource(absolute(data), dataColumns(format), dialect, countersOf(model));
}

/** A cursor does not store the counters of the rows before it. */
function refuseCursor(): UserError {
  return userError('usage', {
    where: '--cursor',
    message: 'does not apply to a model with data.counters, which count all rows',
    fix: 'remove --cursor',
  });
}

/** Creates the counters of a model, which continue after the rows that it was trained on. */
function countersOf({ checkpoint, experiment, tasks }: TrainedModel): ComputedColumns | undefined {
  const plan = CounterPlan.of(experiment.data, tasks);
  return plan && streamCounters(plan, splitStates(checkpoint.states.counters));
}

/** Replaces fixes that change the config, since the model is already trained. */
const refuseWithCure: RejectPolicy = {
  count: 0,
  reject: (row) =>
    refuseBadRows.reject({ ...row, cure: 'correct the row, or leave its prediction empty with --on-bad-row skip' }),
};

function isSameFile(a: string, b: string): boolean {
  const real = (path: string): string | undefined => {
    try {
      return realpathSync(path);
    } catch {
      return undefined;
    }
  };
  return real(a) !== undefined && real(a) === real(b);
}
