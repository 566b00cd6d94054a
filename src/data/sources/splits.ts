import { didYouMean, quoted, userError, type Problem } from '../../core/errors.js';
import { normalizeGiven, tasksGiven, type LabelFacts, type Task } from '../../core/tasks.js';
import type { Fitted } from '../../features/feature-types.js';
import type { Dataset } from '../batches/dataset.js';
import { labelFacts } from '../batches/label-facts.js';
import { oneClassNotices, wideLabelNotices } from '../batches/label-notices.js';
import { hasDelay, replayDataset, replayNotice } from '../replay/replayed-dataset.js';
import { parseDialect, type DialectOptions } from '../dialect.js';
import { SPLITS, listSplitFiles, type DataOptions, type Paths, type Split } from '../options.js';
import { rejectNotices } from '../rows/rejects.js';
import { OTHER_PART, type RowFilter } from '../rows/row-filter.js';
import {
  dataColumns,
  encodedFormat,
  trainedFormat,
  unsampled,
  withFilter,
  type EncodedFormat,
  type RowFormat,
} from '../rows/row-format.js';
import { refuseOtherContent, rememberData, rememberTables, sameNotices, type DataState } from './data-state.js';
import { isThere } from './find-files.js';
import {
  absentNotices,
  decisionNotices,
  leftOutNotices,
  unknownNotices,
  unknownShares,
  type UnknownShares,
} from './notices.js';
import type { ComputeColumns } from './computed-columns.js';
import { CounterPass } from './counter-pass.js';
import { openAll } from './open-all.js';
import { openSource, type OpenSource } from './open-source.js';
import { checkStreams } from './source-streams.js';
import { wrapSource, type Reading, type Source } from './source.js';

export type SplitFiles = { readonly [S in Split]?: Paths | undefined };

/** Opened data of a config. */
export interface OpenedData {
  readonly train: Source;
  readonly valid?: Source | undefined;
  readonly test?: Source | undefined;
}

export type Splits<Files extends SplitFiles> = {
  readonly [S in keyof Files & Split]: Files[S] extends Paths ? Source : Source | undefined;
};

/** How the files of splits are opened. */
export interface SplitOpening {
  readonly open?: OpenSource | undefined;
  readonly compute?: ComputeColumns | undefined;
}

/**
 * Opens the files of all splits and finds their columns.
 * @param fix fix for missing files
 * @param rows condition on rows and division into splits; default: all rows
 * @param options.open opens the files of a split
 * @param options.compute computes columns that are added to the columns of the files
 * @throws UserError (data) with the problems of all files
 */
export async function openSplits<Files extends SplitFiles>(
  files: Files,
  format: RowFormat,
  fix: string,
  dialect: DialectOptions = {},
  { where, split: rule }: Pick<DataOptions, 'where' | 'split'> = {},
  options: SplitOpening = {},
): Promise<Splits<Files>> {
  const { open = openSource, compute } = options;
  if (rule === undefined) checkStreams(files);
  const filterOf = (part: Split): RowFilter | undefined =>
    where === undefined && rule === undefined ? undefined : { where, split: rule, part };
  const openSplit = async (split: Split): Promise<Source> => {
    const columns = dataColumns(filtered(format, filterOf(split)));
    const source = await open(files[split]!, columns, dialect, await compute?.(files[split]!, split));
    if (filterOf(split) !== undefined) refuseFilter(source, rule === undefined ? 'data.where' : 'data.split');
    return source;
  };
  const explain = (problem: Problem, split: Split): Problem => {
    const advice = [files[split]!].flat().every(isThere) ? {} : { fix };
    return { key: `data.${split}`, ...advice, ...explainGiven(problem, format.spec.tasks) };
  };
  const opened = await openAll(
    SPLITS.filter((split) => files[split] !== undefined),
    openSplit,
    explain,
  );
  // A file of one split may be in another split tomorrow.
  const keepsLocalRows = [...opened.values()].some((source) => source.files.length > 1);
  // Each split with files was opened.
  return Object.fromEntries(
    [...opened].map(([split, source]) => [split, filteredSource(source, filterOf(split), keepsLocalRows)]),
  ) as Splits<Files>;
}

function refuseFilter({ path, takesRules }: Source, key: string): void {
  if (!takesRules)
    throw userError('data', {
      where: path,
      key,
      message: 'does not apply to a directory of shards, whose rows are already encoded',
      fix: `create new shards, or remove ${key}`,
    });
}

function filtered<Format extends RowFormat>(format: Format, filter: RowFilter | undefined): Format {
  return filter === undefined ? format : withFilter(format, filter);
}

/**
 * Returns the rows of a source that a filter includes.
 * @param keepsLocalRows whether one of the splits has several files
 */
function filteredSource(source: Source, filter: RowFilter | undefined, keepsLocalRows: boolean): Source {
  return wrapSource(source, {
    fit: (format, reading) => source.fit(filtered(format, filter), { ...reading, keepsLocalRows }),
    dataset: (format, reading) => source.dataset(filtered(format, filter), { ...reading, keepsLocalRows }),
    stream: (format, kept, reading) => source.stream(filtered(format, filter), kept, reading),
  });
}

/** Explains a missing column that only `given` names: it is likely a misspelled task or label. */
function explainGiven(problem: Problem, tasks: readonly Task[]): Problem {
  for (const task of tasks) {
    const { named } = normalizeGiven(task) ?? {};
    if (named === undefined || problem.key !== `column ${quoted(named)}` || tasksGiven(task, tasks).length > 0)
      continue;
    const others = tasks.filter(({ name }) => name !== task.name);
    const names = [...new Set(others.flatMap(({ name, label }) => (typeof label === 'string' ? [label, name] : name)))];
    const choices =
      names.length > 0
        ? `use a task, a label (${names.join(', ')}) or a column of the file`
        : 'use a column of the file';
    return {
      ...problem,
      message: `is the given of task '${task.name}', but is not a task, label or column`,
      fix: didYouMean(named, names) ?? choices,
    };
  }
  return problem;
}

/**
 * Opens the splits of a config's data.
 * @param opening.compute default: the counters of the config
 * @throws UserError (data) with the problems of all files
 */
export function openData(
  data: DataOptions,
  format: RowFormat,
  { open, compute = CounterPass.of(data, format.spec.tasks)?.compute }: SplitOpening = {},
): Promise<OpenedData> {
  return openSplits(
    listSplitFiles(data),
    format,
    "correct the path; paths are relative to the config's directory or the working directory",
    parseDialect(data),
    data,
    { open, compute },
  );
}

/** Data sets of a run. */
export interface Datasets {
  readonly train: Dataset;
  readonly valid: Dataset | undefined;
  readonly test: Dataset | undefined;
  readonly unknown: UnknownShares;
  /** Label statistics of the training set. */
  readonly facts: LabelFacts;
}

/** Opens the data sets of a run, as encoded with what was fitted on the training set. */
export async function openEncoded(
  sources: OpenedData,
  format: RowFormat,
  fitted: Fitted,
  reading: Reading,
  state: DataState,
): Promise<Datasets & { readonly encoded: EncodedFormat }> {
  const encoded = encodedFormat(format, fitted);
  return { encoded, ...(await openDatasets(sources, encoded, reading, state)) };
}

/**
 * Opens the data sets of a run.
 * @param state state of the run's data, which is updated
 * @throws UserError (data), also if the data differs from the data of training
 */
export async function openDatasets(
  sources: OpenedData,
  format: EncodedFormat,
  reading: Reading,
  state: DataState,
): Promise<Datasets> {
  await refuseOtherContent(state, sources, reading);
  rememberTables(state, 'lookups', format.spec.lookups ?? new Map());
  rememberTables(state, 'sequences', format.spec.logs ?? new Map());
  const { train, valid, test } = sources;
  const datasets = {
    train: await train.dataset(trainedFormat(format), reading),
    valid: await valid?.dataset(unsampled(format), reading),
    test: await test?.dataset(unsampled(format), reading),
  };
  const { tasks } = format.spec;
  const isNew = state.trainRows === null;
  const wide = isNew ? await wideLabelNotices(datasets.train, tasks) : [];
  await rememberData(state, sources, datasets.train.rows, reading);
  const unknown = unknownShares(datasets);
  const report = (notices: readonly string[]): void => notices.forEach((notice) => reading.onWarning?.(notice));
  report([
    ...decisionNotices(format.fields),
    ...leftOutNotices(datasets, tasks),
    ...unknownNotices(unknown, format.fields),
    ...absentNotices(datasets),
    ...sameNotices(
      { ...state.fingerprints, test: await test?.fingerprint(reading) },
      datasets.train.leftOut.has(OTHER_PART),
      train.takesRules,
    ),
    ...wide,
    ...rejectNotices(reading.policy),
  ]);
  const learned = state.labelScales ?? {};
  const facts = await labelFacts(datasets.train, tasks, learned);
  if (Object.keys(learned).length > 0) state.labelScales = learned;
  if (isNew) report(oneClassNotices(facts.sums, tasks));
  if (reading.isReplayed !== true || !hasDelay(tasks)) return { ...datasets, unknown, facts };
  const replayed = await replayDataset(datasets.train, tasks);
  if (isNew) report([replayNotice(datasets.train.rows, replayed.counts)]);
  return { ...datasets, train: replayed.dataset, unknown, facts };
}
