import { sliceRows, type Batch } from './core/batch.js';
import { userError } from './core/errors.js';
import type { DialectOptions } from './data/dialect.js';
import type { Paths } from './data/options.js';
import { refuseBadRows, type BadRow } from './data/rows/rejects.js';
import type { EncodedFormat } from './data/rows/row-format.js';
import type { ReadProgress, Source } from './data/sources/source.js';
import { createEngine } from './engines/engines.js';
import { openMeasured } from './evaluate.js';
import { listPredictedOutputs } from './evaluation/outputs.js';
import { openPredicted } from './predict.js';
import { Explainer, type Explanation } from './trained-model/explainer.js';
import {
  compileTrained,
  readTrainedModel,
  unlabeledFormat,
  withEvents,
  type TrainedModel,
} from './trained-model/trained-model.js';

export interface ExplainOptions {
  /** Run directory or checkpoint. */
  readonly path: string;
  /** Files, directories, globs or shards; - for standard input. Default: the test set, else the validation set. */
  readonly data?: Paths | undefined;
  /** Overrides the config's text format of `data`. */
  readonly format?: DialectOptions['format'];
  /** Number of the row in the data, from 1. */
  readonly row: number;
  /** Whether predictions are uncalibrated. Default: false. */
  readonly raw?: boolean | undefined;
  /** Receives the read progress. */
  onProgress?(progress: ReadProgress): void;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Aborts the reading; its reason is thrown. */
  readonly signal: AbortSignal;
}

export interface ExplainResult extends Explanation {
  /** Path of the checkpoint directory. */
  readonly checkpoint: string;
  /** Number of optimizer steps of the checkpoint. */
  readonly step: number;
  /** Path of the data. */
  readonly data: string;
  /** Number of the row in the data, from 1. */
  readonly row: number;
}

/**
 * Explains a row: its predictions, and how much each item of its sequences counts in them. Computes on the CPU.
 * @throws UserError (usage) for a model without sequences, and if there is no such row; (data) if it is invalid
 */
export async function explain({ path, raw, row, ...options }: ExplainOptions): Promise<ExplainResult> {
  const { onWarning } = options;
  const trained = await readTrainedModel(path, { raw });
  const model = await withEvents(trained, { cache: { folder: trained.experiment.data.cache, onWarning } });
  const { graph, folder, checkpoint } = model;
  const format = unlabeledFormat(model);
  const outputs = listPredictedOutputs(model.outputs);
  const explainer = new Explainer({
    where: path,
    fields: format.fields,
    outputs,
    attention: graph.attention ?? [],
  });
  const source = await openExplained(model, format, options);
  const batch = await readRow(source, { ...format, fields: explainer.fields }, row, options);
  const program = compileTrained(model, await createEngine({ device: 'cpu', threads: 1 }), onWarning);
  try {
    const explanation = explainer.explain(program, batch);
    return { checkpoint: folder, step: checkpoint.program.step, data: source.path, row, ...explanation };
  } finally {
    program.dispose();
  }
}

async function openExplained(
  model: TrainedModel,
  format: EncodedFormat,
  { data, format: textFormat }: Pick<ExplainOptions, 'data' | 'format'>,
): Promise<Source> {
  if (data !== undefined) return openPredicted(model, format, data, textFormat);
  const { valid, test } = await openMeasured({ ...model, format }, undefined, 'mtl explain');
  // At least one of the two exists.
  return (test ?? valid)!;
}

/** Reads a row of a source, which counts invalid rows, too. The rows before it may be invalid. */
async function readRow(
  source: Source,
  format: EncodedFormat,
  row: number,
  { onProgress, onWarning, signal }: Pick<ExplainOptions, 'onProgress' | 'onWarning' | 'signal'>,
): Promise<Batch> {
  const invalid: BadRow[] = [];
  const policy = { count: 0, reject: (bad: BadRow) => void invalid.push(bad) };
  // Texts are encoded by this thread.
  const reading = { policy, isOnlyRead: true, threads: 1, onProgress, onWarning, signal };
  let count = 0;
  for await (const { batch, skipped } of source.stream(format, [], reading)) {
    const end = count + batch.rows + skipped.length;
    if (row <= end) {
      const index = row - 1 - count;
      const isSkipped = (before: number, s: number): boolean => before + s === index;
      const numBefore = skipped.filter((before, s) => before + s < index).length;
      const found = skipped.findIndex(isSkipped);
      if (found >= 0) refuseBadRows.reject({ ...invalid[found]!, cure: 'correct the row, or explain another one' });
      return sliceRows(batch, index - numBefore, index - numBefore + 1);
    }
    count = end;
    invalid.length = 0;
  }
  throw userError('usage', {
    where: '--row',
    message: count === 0 ? `there is no row in ${source.path}` : `is ${row}, but ${source.path} has ${count} rows`,
    fix: count === 0 ? 'use other data' : `use a number from 1 to ${count}`,
  });
}
