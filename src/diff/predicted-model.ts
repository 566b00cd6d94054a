import { setImmediate } from 'node:timers/promises';
import type { Fingerprint } from '../data/files/fingerprint.js';
import type { Paths, Split } from '../data/options.js';
import { noting, rejectPolicy } from '../data/rows/rejects.js';
import { withKeys } from '../data/rows/row-format.js';
import type { Access } from '../data/sources/source.js';
import { createEngine, type EngineOptions } from '../engines/engines.js';
import { userError } from '../core/errors.js';
import { openMeasured } from '../evaluate.js';
import { listKeyColumns } from '../evaluation/options.js';
import { compileTrained, type TrainedModel } from '../trained-model/trained-model.js';
import { EVALUATION_BATCH_ROWS } from '../training/evaluate-batches.js';
import type { Side } from './compare.js';
import { predictRows } from './predicted-rows.js';

/** What both models predict. */
export interface PredictedData extends EngineOptions, Pick<Access, 'verifyData'> {
  /** Files, folders or globs, in place of the data of their configs. */
  readonly data?: Paths | undefined;
  /** Rows at the most, drawn from all. */
  readonly limit: number;
  /** Told what is done, and which share of it. */
  onProgress?(progress: { readonly what: string; readonly share: number }): void;
  /** Told what people should know. */
  onWarning(text: string): void;
  /** Aborted to give up; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** The predictions of a model, and what they are of. */
export interface PredictedModel extends Side {
  readonly split: Exclude<Split, 'train'>;
  readonly fingerprint: Fingerprint;
  /** What its config says of which rows are meant. */
  readonly part: unknown;
  /** The places of rows that it could not read. */
  readonly badRows: ReadonlySet<string>;
  /** Rows of all, of which as many as the limit allows were predicted. */
  readonly rows: number;
}

/**
 * Predicts test with a model, or valid where there is no test.
 * @param name of the model, for people
 * @param split the one to take; the choice is this model's where it is not given
 * @throws UserError (data); (usage) where there is no such split
 */
export async function predictModel(
  name: string,
  trained: TrainedModel,
  { data, limit, verifyData, onProgress, onWarning, signal, ...engineOptions }: PredictedData,
  split?: PredictedModel['split'],
): Promise<PredictedModel> {
  const { experiment, spaces, measuring } = trained;
  const format = withKeys(trained.format, listKeyColumns(measuring));
  const sources = await openMeasured({ ...trained, format }, data, 'mtl diff');
  const taken = split ?? (sources.test === undefined ? 'valid' : 'test');
  const source = sources[taken];
  if (source === undefined)
    throw userError('usage', {
      where: name,
      message: `its config has no data.${taken}, which the other run was predicted on`,
      fix: 'name rows for both with --data',
    });

  const program = compileTrained(trained, await createEngine(engineOptions), onWarning);
  try {
    const badRows = new Set<string>();
    const policy = noting(rejectPolicy(experiment.data), badRows);
    const reading = {
      policy,
      cache: { folder: experiment.data.cache, onWarning },
      verifyData,
      onProgress,
      threads: engineOptions.threads,
      signal,
    };
    const dataset = await source.dataset(format, reading);
    const onShare = async (share: number): Promise<void> => {
      onProgress?.({ what: `predicting ${taken} with ${name}`, share });
      // Signals are heard only when the event loop gets a turn.
      await setImmediate();
      signal.throwIfAborted();
    };
    const { blocks, keys } = await predictRows({
      program,
      dataset,
      spaces,
      measuring,
      limit,
      batchRows: EVALUATION_BATCH_ROWS,
      onShare,
    });
    const { where, split: division } = experiment.data;
    return {
      spaces,
      measuring,
      blocks,
      keys,
      split: taken,
      fingerprint: await source.fingerprint(reading),
      part: data === undefined ? { where, division } : { where },
      badRows,
      rows: dataset.rows,
    };
  } finally {
    program.dispose();
  }
}
