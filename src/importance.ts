import { rejectPolicy } from './data/rows/rejects.js';
import { blockColumns } from './data/rows/row-format.js';
import type { Access } from './data/sources/source.js';
import type { Paths, Split } from './data/options.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { openMeasured } from './evaluate.js';
import { configFields, type ConfigField } from './importance/config-fields.js';
import { measureDrops, type Unit } from './importance/permutation-importance.js';
import { holdRows } from './data/batches/held-rows.js';
import { listMeasures } from './importance/measures.js';
import { createPermuter } from './importance/permuted.js';
import { selectMeasure, rankUnits, type Importance } from './importance/ranking.js';
import { proposeConfig, assertEnoughUnits, type Proposal } from './importance/propose-config.js';
import { compileTrained, readTrainedModel, withEvents } from './trained-model/trained-model.js';
import { EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';

export interface ImportanceOptions extends EngineOptions, Pick<Access, 'verifyData'> {
  /** Run directory or checkpoint. */
  readonly path: string;
  /** Files, directories, globs or shards to measure in place of the config's data. */
  readonly data?: Paths | undefined;
  /** Maximum number of rows, sampled from all. */
  readonly rows: number;
  /** Number of permutations per field. */
  readonly repeats: number;
  /** Random seed of the sample and the permutations. */
  readonly seed: number;
  /** Whether to permute all fields of a feature group together. */
  readonly byGroup: boolean;
  /** Output to rank fields by; default: the output of `training.monitor`. */
  readonly rank?: string | undefined;
  /** Proposes a config without this many of the least important fields or groups. */
  readonly dropWorst?: number | undefined;
  /** Receives the current activity and its progress in [0, 1]. */
  onProgress?(progress: { readonly what: string; readonly share: number }): void;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Aborts the measurement; its reason is thrown. */
  readonly signal: AbortSignal;
}

export interface ImportanceResult {
  /** Path of the checkpoint directory. */
  readonly checkpoint: string;
  /** Number of optimizer steps of the checkpoint. */
  readonly step: number;
  readonly split: Split;
  /** Number of measured rows, and of all rows. */
  readonly rows: number;
  readonly totalRows: number;
  readonly repeats: number;
  readonly seed: number;
  /** Baseline value of each measure, such as `ctcvr.auc`, on unpermuted rows; null if undefined. */
  readonly unpermuted: Readonly<Record<string, number | null>>;
  /** The measure that fields are ranked by. */
  readonly rank: string;
  /** Fields or groups, most important first. */
  readonly importances: readonly Importance[];
  /** The proposed config, if requested. */
  readonly proposal?: Proposal | undefined;
}

/**
 * Measures permutation importance: how much worse a model gets if a field, or a feature group, holds the values of
 * other rows.
 * @throws UserError
 */
export async function importance(options: ImportanceOptions): Promise<ImportanceResult> {
  const { path, data, rows, repeats, seed, byGroup, rank, dropWorst, verifyData, onProgress, onWarning, signal } =
    options;
  const trained = await readTrainedModel(path);
  const access = { cache: { folder: trained.experiment.data.cache, onWarning }, verifyData, onProgress, signal };
  const model = await withEvents(trained, access);
  const { experiment, format, outputs } = model;
  const measures = listMeasures(outputs);
  const deciding = selectMeasure(measures, rank, experiment.training.monitor);
  const units = byGroup ? groupFields(configFields(experiment.features)) : configFields(experiment.features);
  if (dropWorst !== undefined) assertEnoughUnits(dropWorst, units.length);
  const { valid, test } = await openMeasured(model, data, 'mtl importance');
  // Use valid for choices, so that test stays untouched. At least one of the two exists.
  const split = valid === undefined ? 'test' : 'valid';
  const source = valid ?? test!;

  const program = compileTrained(model, await createEngine(options), onWarning);
  try {
    const policy = rejectPolicy(experiment.data);
    const dataset = await source.dataset(format, { ...access, policy, threads: options.threads });
    const sample = await holdRows(dataset, blockColumns(format), rows, seed, (share) => {
      onProgress?.({ what: `reading ${source.path}`, share });
      signal.throwIfAborted();
    });
    const what = `permuting ${units.length} ${byGroup ? 'groups' : 'fields'}`;
    const permuter = createPermuter(sample, EVALUATION_BATCH_ROWS);
    const measured = { program, outputs, measures, rows: permuter, numRows: sample.rows, units };
    const onShare = (share: number): void => onProgress?.({ what, share });
    const drops = await measureDrops({ ...measured, repeats, seed, onShare, signal });
    const unpermuted = Object.fromEntries(measures.map(({ name }, m) => [name, drops.unpermuted[m] ?? null]));
    if (unpermuted[deciding.name] === null) warnOfRank(deciding.name, onWarning);
    const importances = rankUnits(units, drops, measures, deciding);
    const proposal =
      dropWorst === undefined
        ? undefined
        : await proposeConfig({ checkpoint: model.folder, experiment, importances, count: dropWorst, onWarning });
    return {
      checkpoint: model.folder,
      step: model.checkpoint.program.step,
      split,
      rows: sample.rows,
      totalRows: dataset.rows,
      repeats,
      seed,
      unpermuted,
      rank: deciding.name,
      importances,
      proposal,
    };
  } finally {
    program.dispose();
  }
}

function warnOfRank(measure: string, warn: (text: string) => void): void {
  warn(
    `${measure} is undefined on these rows and cannot rank fields; raise --rows, or choose another output with ` +
      '--rank-by',
  );
}

function groupFields(fields: readonly ConfigField[]): readonly Unit[] {
  return [...new Set(fields.map(({ group }) => group))].map((name) => ({
    name,
    fields: fields.filter(({ group }) => group === name).flatMap((field) => field.fields),
  }));
}
