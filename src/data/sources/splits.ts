import { didYouMean, problemLine, quoted, UserError, userError, type Problem } from '../../core/errors.js';
import { normalizeGiven, tasksGiven, type LabelFacts, type Task } from '../../core/tasks.js';
import type { Fitted } from '../../features/feature-types.js';
import type { Dataset } from '../batches/dataset.js';
import { labelFacts } from '../batches/label-facts.js';
import { oneClassNotices, wideLabelNotices } from '../batches/label-notices.js';
import { hasDelay, replayDataset, replayNotice } from '../replay/replayed-dataset.js';
import { dialectOf, type DialectOptions } from '../dialect.js';
import { SPLITS, splitFilesOf, type DataOptions, type Paths, type Split } from '../options.js';
import { rejectNotices } from '../rows/rejects.js';
import { OTHER_PART, type RowFilter } from '../rows/row-filter.js';
import {
  columnsOf,
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
import type { ComputeColumns } from '../computed/computed-columns.js';
import { CounterPass } from './counter-pass.js';
import { openSource, type OpenSource } from './open-source.js';
import { checkStreams } from './source-streams.js';
import { wrapSource, type Reading, type Source } from './source.js';

/** Paths of splits. */
export type SplitFiles = { readonly [S in Split]?: Paths | undefined };

/** Opened data of a config. */
export interface OpenedData {
  readonly train: Source;
  readonly valid?: Source | undefined;
  readonly test?: Source | undefined;
}

/** Opened splits. */
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
 * @param options.compute computes columns that are added to those of the files
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
  const openComputed =
    (split: Split): OpenSource =>
    async (paths, columns, own) =>
      open(paths, columns, own, await compute?.(paths, split));
  if (rule === undefined) checkStreams(files);
  const problems = new Map<string, Problem>();
  const opened: Partial<Record<Split, Source>> = {};
  for (const split of SPLITS) {
    const paths = files[split];
    if (paths === undefined) continue;
    try {
      opened[split] = await openSplit(openComputed(split), paths, format, dialect, { where, split: rule, part: split });
    } catch (error) {
      // The kind is disk for a limit of the system, which is not a problem of a file.
      if (!(error instanceof UserError) || error.kind === 'disk') throw error;
      const advice = [paths].flat().every(isThere) ? {} : { fix };
      for (const found of error.problems) {
        const problem = { key: `data.${split}`, ...advice, ...explainGiven(found, format.spec.tasks) };
        // Splits of one source have the same problems.
        problems.set(problemLine(problem), problem);
      }
    }
  }
  if (problems.size > 0) throw new UserError('data', [...problems.values()]);
  // Each split with files was opened.
  return keepLocalRows(opened) as Splits<Files>;
}

async function openSplit(
  open: OpenSource,
  paths: Paths,
  format: RowFormat,
  dialect: DialectOptions,
  filter: RowFilter,
): Promise<Source> {
  if (filter.where === undefined && filter.split === undefined) return open(paths, columnsOf(format), dialect);
  const source = await open(paths, columnsOf(withFilter(format, filter)), dialect);
  if (!source.takesRules) {
    const key = filter.split === undefined ? 'data.where' : 'data.split';
    throw userError('data', {
      where: source.path,
      key,
      message: 'does not apply to a directory of shards, whose rows are already encoded',
      fix: `create new shards, or remove ${key}`,
    });
  }
  return wrapSource(source, {
    fit: (own, reading) => source.fit(withFilter(own, filter), reading),
    dataset: (own, reading) => source.dataset(withFilter(own, filter), reading),
    stream: (own, kept, reading) => source.stream(withFilter(own, filter), kept, reading),
  });
}

/** Explains a missing column that only `given` names: it is likely a misspelled task or label. */
function explainGiven(problem: Problem, tasks: readonly Task[]): Problem {
  for (const task of tasks) {
    const { named } = normalizeGiven(task) ?? {};
    if (named === undefined || problem.key !== `column ${quoted(named)}` || tasksGiven(task, tasks).length > 0)
      continue;
    const others = tasks.filter(({ name }) => name !== task.name);
    const names = [
      ...new Set(others.flatMap(({ name, label }) => (typeof label === 'string' ? [label, name] : [name]))),
    ];
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

/** Keeps raw rows of all splits if one has several files: a file of one split may be in another split tomorrow. */
function keepLocalRows(opened: Partial<Record<Split, Source>>): Partial<Record<Split, Source>> {
  if (!Object.values(opened).some(({ files }) => files.length > 1)) return opened;
  return Object.fromEntries(
    Object.entries(opened).map(([split, source]) => [
      split,
      wrapSource(source, {
        fit: (format, reading) => source.fit(format, { ...reading, keepsLocalRows: true }),
        dataset: (format, reading) => source.dataset(format, { ...reading, keepsLocalRows: true }),
      }),
    ]),
  );
}

/**
 * Opens the splits of a config's data.
 * @param opening.compute default: the counters of the config
 * @throws UserError (data) with the problems of all files
 */
export function openData(
  data: DataOptions,
  format: RowFormat,
  { open, compute = CounterPass.of(data)?.compute }: SplitOpening = {},
): Promise<OpenedData> {
  return openSplits(
    splitFilesOf(data),
    format,
    "correct the path; paths are relative to the config's directory or the working directory",
    dialectOf(data),
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
 * @throws UserError (data), also if the data differs from that of training
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
    ...sameNotices(state, datasets.train.leftOut.has(OTHER_PART)),
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
