import { rejectPolicy } from './data/rows/rejects.js';
import { blockColumns } from './data/rows/row-block.js';
import type { Access } from './data/sources/source.js';
import type { Paths, Split } from './data/options.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { openMeasured } from './evaluate.js';
import { configFields, type ConfigField } from './importance/config-fields.js';
import { measureDrops, type Unit } from './importance/permutation-importance.js';
import { holdRows } from './data/batches/held-rows.js';
import { listMeasures } from './importance/measures.js';
import { createPermuter } from './importance/permuted.js';
import { decidingMeasure, rankedUnits, type Importance } from './importance/ranking.js';
import { proposeConfig, refuseTooMany, type Proposal } from './importance/propose-config.js';
import { compileTrained, readTrainedModel } from './trained-model/trained-model.js';
import { EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';

/** Of what the importance is measured, on what, and how carefully. */
export interface ImportanceOptions extends EngineOptions, Pick<Access, 'verifyData'> {
  /** A run or a checkpoint. */
  readonly path: string;
  /** Files, folders or globs of CSV or Parquet, or shards, in place of the config's data. */
  readonly data?: Paths | undefined;
  /** Rows at the most, drawn from all. */
  readonly rows: number;
  /** Permutations of each field. */
  readonly repeats: number;
  /** Decides which rows are drawn and how they are permuted. */
  readonly seed: number;
  /** Permutes all fields of a group of features together. */
  readonly byGroup: boolean;
  /** The space that decides which field counts more. */
  readonly rank?: string | undefined;
  /** Proposes a config without so many of them, those that count least. */
  readonly dropWorst?: number | undefined;
  /** Told what is done, and which share of it. */
  onProgress?(progress: { readonly what: string; readonly share: number }): void;
  /** Told what people should know. */
  onWarning(text: string): void;
  /** Aborted to give up; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** What was found. */
export interface ImportanceResult {
  /** The folder of the checkpoint. */
  readonly checkpoint: string;
  /** Optimizer steps behind its weights. */
  readonly step: number;
  readonly split: Split;
  /** Rows that were measured, of so many. */
  readonly rows: number;
  readonly totalRows: number;
  readonly repeats: number;
  readonly seed: number;
  /** By measure, as in `ctcvr.auc`: its value on the rows as they are; null where it has none. */
  readonly baseline: Readonly<Record<string, number | null>>;
  /** The measure that decides which counts more. */
  readonly rank: string;
  /** Fields or groups, what counts most first. */
  readonly importances: readonly Importance[];
  /** Where one was asked for. */
  readonly proposal?: Proposal | undefined;
}

/**
 * Measures what a model owes to each of its fields, or groups of fields: how much worse it is where they hold what they
 * hold in other rows.
 */
export async function importance({
  path,
  data,
  rows,
  repeats,
  seed,
  byGroup,
  rank,
  dropWorst,
  verifyData,
  onProgress,
  onWarning,
  signal,
  ...engineOptions
}: ImportanceOptions): Promise<ImportanceResult> {
  const model = await readTrainedModel(path);
  const { experiment, format, spaces } = model;
  const measures = listMeasures(spaces);
  const deciding = decidingMeasure(measures, rank, experiment.training.monitor);
  const units = byGroup ? groupsOf(configFields(experiment.features)) : configFields(experiment.features);
  if (dropWorst !== undefined) refuseTooMany(dropWorst, units.length);
  const { valid, test } = await openMeasured(model, data, 'mtl importance');
  // Choices are made on valid, so that test stays what nothing was chosen by. One of the two is there.
  const split = valid === undefined ? 'test' : 'valid';
  const source = valid ?? test!;

  const program = compileTrained(model, await createEngine(engineOptions), onWarning);
  try {
    const policy = rejectPolicy(experiment.data);
    const dataset = await source.dataset(format, {
      policy,
      cache: { folder: experiment.data.cache, onWarning },
      verifyData,
      onProgress,
      threads: engineOptions.threads,
      signal,
    });
    const held = await holdRows(dataset, blockColumns(format), rows, seed, (share) => {
      onProgress?.({ what: `reading ${source.path}`, share });
      signal.throwIfAborted();
    });
    const onShare = (share: number): void =>
      onProgress?.({ what: `permuting ${units.length} ${byGroup ? 'groups' : 'fields'}`, share });
    const falls = await measureDrops({
      program,
      spaces,
      measures,
      rows: createPermuter(held, EVALUATION_BATCH_ROWS),
      numRows: held.rows,
      units,
      repeats,
      seed,
      onShare,
      signal,
    });
    const plain = Object.fromEntries(measures.map(({ name }, m) => [name, falls.plain[m] ?? null]));
    if (plain[deciding.name] === null)
      onWarning(
        `${deciding.name} has no value on these rows, so that it cannot decide which field counts more; take more rows, or another output with --rank-by`,
      );
    const importances = rankedUnits(units, falls, measures, deciding);
    const proposal =
      dropWorst === undefined
        ? undefined
        : await proposeConfig({ checkpoint: model.folder, experiment, importances, count: dropWorst, onWarning });
    return {
      checkpoint: model.folder,
      step: model.checkpoint.program.step,
      split,
      rows: held.rows,
      totalRows: dataset.rows,
      repeats,
      seed,
      baseline: plain,
      rank: deciding.name,
      importances,
      proposal,
    };
  } finally {
    program.dispose();
  }
}

function groupsOf(fields: readonly ConfigField[]): readonly Unit[] {
  return [...new Set(fields.map(({ group }) => group))].map((name) => ({
    name,
    fields: fields.filter(({ group }) => group === name).flatMap((field) => field.fields),
  }));
}
