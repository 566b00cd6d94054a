import { didYouMean, problemLine, quoted, UserError, type Problem } from '../../core/errors.js';
import { dialectOf, type DialectOptions } from '../dialect.js';
import type { Dataset } from '../batches/dataset.js';
import { labelFacts } from '../batches/label-facts.js';
import { oneClassNotices, wideLabelNotices } from '../batches/label-notices.js';
import { normalizeGiven, tasksGiven, type LabelFacts, type Task } from '../../core/tasks.js';
import { SPLITS, splitFilesOf, type DataOptions, type Paths, type Split } from '../options.js';
import { rejectNotices } from '../rows/rejects.js';
import { OTHER_PART, type RowFilter } from '../rows/row-filter.js';
import type { Fitted } from '../../features/feature-types.js';
import {
  columnsOf,
  encodedFormat,
  trainedFormat,
  unsampled,
  withFilter,
  type EncodedFormat,
  type RowFormat,
} from '../rows/row-format.js';
import { decisionNotices } from './decision-notices.js';
import { filteredSource } from './filtered-source.js';
import { leftOutNotices } from './left-out-notices.js';
import { refuseOtherContent, rememberData, sameNotices, type DataState } from './data-state.js';
import { isThere } from './find-files.js';
import { openSource } from './open-source.js';
import { wrapSource, type Reading, type Source } from './source.js';
import { unknownNotices, unknownShares, type UnknownShares } from './unknown-ids.js';

/** The path of each split that there is. */
export type SplitFiles = { readonly [S in Split]?: Paths | undefined };

/** Opens files and finds the columns that are read. */
export type OpenSource = (paths: Paths, columns: readonly string[], dialect: DialectOptions) => Promise<Source>;

/** What a config's data is, opened. */
export interface OpenedData {
  readonly train: Source;
  readonly valid?: Source | undefined;
  readonly test?: Source | undefined;
}

/** The same, opened. */
export type Splits<Files extends SplitFiles> = {
  readonly [S in keyof Files & Split]: Files[S] extends Paths ? Source : Source | undefined;
};

/**
 * Opens the files of all splits and finds their columns, before anything is done with one.
 * @param fix what to do about a file that is not there
 * @param dialect what is said of text files
 * @param rows which rows are wanted, where not all are
 * @param open opens the files of a split
 * @throws UserError (data) with the problems of all files
 */
export async function openSplits<Files extends SplitFiles>(
  files: Files,
  format: RowFormat,
  fix: string,
  dialect: DialectOptions = {},
  rows: Pick<DataOptions, 'where' | 'split'> = {},
  open: OpenSource = openSource,
): Promise<Splits<Files>> {
  const problems: Problem[] = [];
  const opened: Partial<Record<Split, Source>> = {};
  for (const split of SPLITS) {
    const paths = files[split];
    if (paths === undefined) continue;
    try {
      opened[split] = await openPart(open, paths, format, dialect, {
        where: rows.where,
        split: rows.split,
        part: split,
      });
    } catch (error) {
      // A limit of the system is of no file.
      if (!(error instanceof UserError) || error.kind === 'disk') throw error;
      const advice = [paths].flat().every(isThere) ? {} : { fix };
      const found = error.problems.map((problem) => ({
        key: `data.${split}`,
        ...advice,
        ...givenProblem(problem, format.spec.tasks),
      }));
      // Parts of one source have the same to say.
      problems.push(...found.filter((problem) => !problems.some((told) => problemLine(told) === problemLine(problem))));
    }
  }
  if (problems.length > 0) throw new UserError('data', problems);
  // A split is opened exactly where it has a file.
  return keepingDays(opened) as Splits<Files>;
}

/** A column that no file has and only `given` names is likely to be a misspelled task or label. */
function givenProblem(problem: Problem, tasks: readonly Task[]): Problem {
  for (const task of tasks) {
    const { named } = normalizeGiven(task) ?? {};
    if (named === undefined || problem.key !== `column ${quoted(named)}` || tasksGiven(task, tasks).length > 0)
      continue;
    const others = tasks.filter(({ name }) => name !== task.name);
    const names = [
      ...new Set(others.flatMap(({ name, label }) => (typeof label === 'string' ? [label, name] : [name]))),
    ];
    const meant = didYouMean(named, names);
    return {
      ...problem,
      message: `is the given of task '${task.name}', but is not a task, label or column`,
      fix:
        meant ??
        (names.length > 0
          ? `use a task, a label (${names.join(', ')}) or a column of the file`
          : 'use a column of the file'),
    };
  }
  return problem;
}

/** Where a split has several files, as a file a day, what is another split today may be one of them tomorrow. */
function keepingDays(opened: Partial<Record<Split, Source>>): Partial<Record<Split, Source>> {
  if (!Object.values(opened).some(({ files }) => files.length > 1)) return opened;
  const keeping = (reading: Reading): Reading => ({ ...reading, keepsLocalRows: true });
  const days = Object.entries(opened).map(([split, source]): [string, Source] => [
    split,
    wrapSource(source, {
      fit: (format, reading) => source.fit(format, keeping(reading)),
      dataset: (format, reading) => source.dataset(format, keeping(reading)),
    }),
  ]);
  return Object.fromEntries(days);
}

/**
 * Opens the splits of a config's data.
 * @throws UserError (data) with the problems of all files
 */
export function openData(data: DataOptions, format: RowFormat, open?: OpenSource): Promise<OpenedData> {
  return openSplits(
    splitFilesOf(data),
    format,
    "correct the path; paths are relative to the config's directory or the working directory",
    dialectOf(data),
    data,
    open,
  );
}

async function openPart(
  open: OpenSource,
  paths: Paths,
  format: RowFormat,
  dialect: DialectOptions,
  filter: RowFilter,
): Promise<Source> {
  if (filter.where === undefined && filter.split === undefined) return open(paths, columnsOf(format), dialect);
  const source = await open(paths, columnsOf(withFilter(format, filter)), dialect);
  return filteredSource(source, filter);
}

/** The rows of each split that there is, and what share of them a model cannot know. */
export interface Datasets {
  readonly train: Dataset;
  readonly valid: Dataset | undefined;
  readonly test: Dataset | undefined;
  readonly unknown: UnknownShares;
  /** Of train. */
  readonly facts: LabelFacts;
}

/** The same, with the format that they are encoded by, from what was learned on train. */
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
 * The rows of a config's splits as data sets.
 * @param state what the run knows of its data, taken down where it is new
 * @throws UserError (data) also for other data than the run was trained with
 */
export async function openDatasets(
  sources: OpenedData,
  format: EncodedFormat,
  reading: Reading,
  state: DataState,
): Promise<Datasets> {
  await refuseOtherContent(state, sources, reading);
  const { train, valid, test } = sources;
  const datasets = {
    train: await train.dataset(trainedFormat(format), reading),
    valid: await valid?.dataset(unsampled(format), reading),
    test: await test?.dataset(unsampled(format), reading),
  };
  const isNew = state.trainRows === null;
  const wide = isNew ? await wideLabelNotices(datasets.train, format.spec.tasks) : [];
  await rememberData(state, sources, datasets.train.rows, reading);
  const unknown = unknownShares(datasets);
  for (const notice of [
    ...decisionNotices(format.fields),
    ...leftOutNotices(datasets, format.spec.tasks),
    ...unknownNotices(unknown, format.fields),
    ...sameNotices(state, datasets.train.leftOut.has(OTHER_PART)),
    ...wide,
    ...rejectNotices(reading.policy),
  ])
    reading.onWarning?.(notice);
  const learned = state.labelScales ?? {};
  const facts = await labelFacts(datasets.train, format.spec.tasks, learned);
  if (Object.keys(learned).length > 0) state.labelScales = learned;
  if (isNew) for (const notice of oneClassNotices(facts.sums, format.spec.tasks)) reading.onWarning?.(notice);
  return { ...datasets, unknown, facts };
}
