import { setImmediate } from 'node:timers/promises';
import type { Fingerprint } from '../data/readers/fingerprint.js';
import type { Paths, Split } from '../data/options.js';
import { observing, rejectPolicy, rowPlace } from '../data/rows/rejects.js';
import { withKeys } from '../data/rows/row-format.js';
import type { Access } from '../data/sources/source.js';
import { createEngine, type EngineOptions } from '../engines/engines.js';
import { userError } from '../core/errors.js';
import { openMeasured } from '../evaluate.js';
import { listKeyColumns } from '../evaluation/options.js';
import { TrainingOverlap, type KnownRows } from '../trained-model/training-overlap.js';
import { compileTrained, withEvents, type TrainedModel } from '../trained-model/trained-model.js';
import { EVALUATION_BATCH_ROWS } from '../training/evaluate-batches.js';
import type { Side } from './compare.js';
import { predictRows } from './predicted-rows.js';

/** Rows that both models predict. */
export interface PredictedData extends EngineOptions, Pick<Access, 'verifyData'> {
  /** Files, directories or globs that replace the data of the configs. */
  readonly data?: Paths | undefined;
  /** Maximum number of rows, sampled from all. */
  readonly limit: number;
  /** Called with the current activity and its completed share. */
  onProgress?(progress: { readonly what: string; readonly share: number }): void;
  onWarning(text: string): void;
  /** Abort to stop; the call rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** Predictions of a model and their source. */
export interface PredictedModel extends Side {
  readonly split: Exclude<Split, 'train'>;
  readonly fingerprint: Fingerprint;
  /** Options that select rows of the files. */
  readonly rowSelection: unknown;
  /** Locations of invalid rows. */
  readonly badRows: ReadonlySet<string>;
  /** Number of rows of the split; at most `limit` of them were predicted. */
  readonly rows: number;
  /** Rows that the model should not be judged on; undefined for stored predictions. */
  readonly known?: KnownRows | undefined;
}

/**
 * Predicts the test set with a model, or the validation set if it has no test set.
 * @param name of the model, for messages
 * @param split the split to predict; default: test, else valid
 * @throws UserError (data); (usage) if there is no such split
 */
export async function predictModel(
  name: string,
  trained: TrainedModel,
  { data, limit, verifyData, onProgress, onWarning, signal, ...engineOptions }: PredictedData,
  split?: PredictedModel['split'],
): Promise<PredictedModel> {
  const { experiment, outputs, measuring } = trained;
  const access = { cache: { folder: experiment.data.cache, onWarning }, verifyData, onProgress, signal };
  const format = withKeys((await withEvents(trained, access)).format, listKeyColumns(measuring));
  const sources = await openMeasured({ ...trained, format }, data, 'mtl diff');
  const selectedSplit = split ?? (sources.test === undefined ? 'valid' : 'test');
  const source = sources[selectedSplit];
  if (source === undefined)
    throw userError('usage', {
      where: name,
      message: `the config has no data.${selectedSplit}, which the other run was predicted on`,
      fix: 'name data for both with --data',
    });

  const program = compileTrained(trained, await createEngine(engineOptions), onWarning);
  try {
    const badRows = new Set<string>();
    const policy = observing(rejectPolicy(experiment.data), (row) => badRows.add(rowPlace(row)));
    const dataset = await source.dataset(format, { ...access, policy, threads: engineOptions.threads });
    const onShare = async (share: number): Promise<void> => {
      onProgress?.({ what: `predicting ${selectedSplit} with ${name}`, share });
      // Signals are delivered only in the event loop.
      await setImmediate();
      signal.throwIfAborted();
    };
    const overlap = new TrainingOverlap(trained, data);
    const { blocks, keys } = await predictRows({
      program,
      dataset: { rows: dataset.rows, batches: (size) => overlap.watch(dataset.batches(size)) },
      outputs,
      measuring,
      limit,
      batchRows: EVALUATION_BATCH_ROWS,
      onShare,
    });
    const { where, split: splitOptions } = experiment.data;
    return {
      outputs,
      measuring,
      blocks,
      keys,
      split: selectedSplit,
      fingerprint: await source.fingerprint(access),
      rowSelection: data === undefined ? { where, division: splitOptions } : { where },
      badRows,
      rows: dataset.rows,
      known: await overlap.find(source, access),
    };
  } finally {
    program.dispose();
  }
}
