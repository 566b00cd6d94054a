import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { userError } from '../core/errors.js';
import { fingerprintSchema } from '../data/readers/fingerprint.js';
import { dataSection, type DataState } from '../data/sources/data-state.js';
import { measureOutputs } from '../evaluation/measured-outputs.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { Block } from '../evaluation/row-store.js';
import { readStoredFacts, readStoredRows } from '../evaluation/stored-rows.js';
import { RESOLVED } from '../runs/run-log.js';
import type { PredictedData, PredictedModel } from './predicted-model.js';
import { createRowSampler } from './predicted-rows.js';

const factsSchema = z.object({
  /** Options that select rows of the files. */
  rowSelection: z.unknown(),
  dataState: dataSection.schema,
  /** By split: the content of its files, and the locations of their invalid rows. */
  splits: z.record(z.string(), z.object({ fingerprint: fingerprintSchema, badRows: z.array(z.string()) })),
});
/** Facts about the stored predictions of a run. */
export type StoredFacts = z.output<typeof factsSchema>;

/** A run whose predictions are stored, since mtl cannot run its model. */
export interface StoredModel {
  readonly experiment: Experiment;
  readonly dataState: DataState;
  readonly goals: MetricDirections;
  /**
   * Reads predictions of the test set, or of the validation set if there is no test set.
   * @param split the split to read; default: test, else valid
   * @throws UserError (usage) for other data, or if the split was not stored
   */
  readPredicted(
    options: Pick<PredictedData, 'data' | 'limit'>,
    split?: PredictedModel['split'],
  ): Promise<PredictedModel>;
}

/** Reads a run with stored predictions. */
export async function readStoredModel(run: string): Promise<StoredModel> {
  const path = join(run, RESOLVED);
  const experiment = storedExperiment(readFileSync(path, 'utf8'), path);
  const { rowSelection, dataState, splits } = factsSchema.parse(await readStoredFacts(run));
  const { outputs, measuring, goals } = measureOutputs(listTasks(experiment), experiment.evaluation);
  return {
    experiment,
    dataState,
    goals,
    async readPredicted({ data, limit }, split = Object.hasOwn(splits, 'test') ? 'test' : 'valid') {
      if (data !== undefined)
        throw userError('usage', {
          where: '--data',
          message: `${run} has stored predictions of its own data, and cannot predict other data`,
          fix: 'omit --data',
        });
      const rows = await readStoredRows(run, split);
      if (rows === undefined)
        throw userError('usage', {
          where: run,
          message: `has no stored predictions of ${split}, which the other run was predicted on`,
          fix: 'train the baseline again on a config with this split',
        });
      const { fingerprint, badRows } = splits[split]!;
      const count = rows.blocks.reduce((sum, block) => sum + block.rows, 0);
      const isSampled = createRowSampler(limit, count);
      const blocks = count <= limit ? rows.blocks : rows.blocks.map((block) => sampleBlock(block, isSampled));
      const sides = { outputs, measuring, blocks, keys: rows.keys };
      return { ...sides, split, fingerprint, rowSelection, badRows: new Set(badRows), rows: count };
    },
  };
}

/** Selects the sampled rows of a block. */
function sampleBlock({ rows, predictions, labels, numbers }: Block, isSampled: () => boolean): Block {
  const sampled = Array.from({ length: rows }, (_, row) => row).filter(isSampled);
  const select = <Values extends Float32Array | Uint8Array | Uint32Array>(
    columns: ReadonlyMap<string, Values>,
  ): ReadonlyMap<string, Values> =>
    new Map(
      Array.from(columns, ([name, values]) => {
        const selected = values.slice(0, sampled.length) as Values;
        for (const [at, row] of sampled.entries()) selected[at] = values[row]!;
        return [name, selected];
      }),
    );
  return {
    rows: sampled.length,
    predictions: select(predictions),
    labels: select(labels),
    ...(numbers !== undefined && { numbers: select(numbers) }),
  };
}
