import { listTasks, type Experiment } from './config/experiment.js';
import { codedFields } from './crosses/encoded-columns.js';
import { crossYaml } from './crosses/feature-yaml.js';
import { searchCrosses, type FoundCross } from './crosses/search.js';
import { column } from './core/batch.js';
import { holdRows } from './data/batches/held-rows.js';
import { rejectPolicy } from './data/rows/rejects.js';
import { blockColumns } from './data/rows/row-block.js';
import { encodedFormat, rowFormatOf } from './data/rows/row-format.js';
import type { Access, ReadProgress, Reading } from './data/sources/source.js';
import { openData } from './data/sources/splits.js';
import { didYouMean, joined, userError } from './core/errors.js';
import { taskColumns, type Task } from './core/tasks.js';

/** Where crosses are looked for, and how. */
export interface CrossesOptions extends Pick<Access, 'verifyData'> {
  /** Whose features are tried on its train. */
  readonly experiment: Experiment;
  /** Whose label is looked at; the first one where it is left out. */
  readonly task?: string | undefined;
  /** Crosses at the most. */
  readonly top: number;
  /** Rows at the most, drawn from all. */
  readonly rows: number;
  /** Decides which rows are drawn. */
  readonly seed: number;
  /** Threads that read a large file. */
  readonly threads?: number | undefined;
  onProgress?(progress: ReadProgress): void;
  /** Told what people should know. */
  onWarning(text: string): void;
  /** Aborted to give up; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** What was found. */
export interface CrossesResult {
  readonly task: string;
  /** Rows of the task that were looked at, of so many that train has. */
  readonly rows: number;
  readonly ofRows: number;
  /** Pairs of columns that were tried. */
  readonly pairs: number;
  /** The mean log loss of these rows where every field has its say for itself. */
  readonly loss: number;
  /** The best first, each beyond those before it. */
  readonly crosses: readonly FoundCross[];
  /** The same as a group of features; empty where there are none. */
  readonly yaml: string;
}

/**
 * Looks for pairs of columns that say more of a label together than both for themselves.
 * @throws UserError (usage) for a task that is none; (data)
 */
export async function findCrosses({
  experiment,
  task: name,
  top,
  rows,
  seed,
  threads,
  verifyData,
  onProgress,
  onWarning,
  signal,
}: CrossesOptions): Promise<CrossesResult> {
  const { data, features } = experiment;
  const tasks = listTasks(experiment);
  const task = chosenTask(tasks, name);
  const format = rowFormatOf({ tasks, groups: Object.values(features), cells: data, sampling: data.negativeSampling });
  const { train } = await openData(data, format);
  const policy = rejectPolicy(data);
  const reading: Reading = {
    policy,
    onWarning,
    cache: { folder: data.cache, onWarning },
    verifyData,
    threads,
    signal,
    ...(onProgress && { onProgress }),
  };
  const encoded = encodedFormat(format, await train.fit(format, reading));
  const dataset = await train.dataset(encoded, reading);

  const columns = blockColumns(encoded).filter(({ kind }) => kind === 'id' || kind === 'number' || kind === 'label');
  const held = await holdRows(dataset, columns, rows, seed, (share) => {
    onProgress?.({ what: `reading ${train.path}`, share });
    signal.throwIfAborted();
  });
  const { label, mask } = taskColumns(task, tasks);
  const [truth, defined] = [column(held.labels, label), mask === undefined ? undefined : column(held.labels, mask)];
  const wanted = Uint32Array.from({ length: held.rows }, (_, row) => row).filter(
    (row) => defined === undefined || defined[row] === 1,
  );
  const labels = Float64Array.from(wanted, (row) => truth[row]!);
  if (labels.every((value) => value === labels[0]))
    throw userError('data', {
      where: train.path,
      key: `task '${task.name}'`,
      message: `its label is ${labels[0] ?? 'nowhere defined'} in all ${labels.length} rows that were looked at, so that nothing can tell of it`,
      fix: 'take more rows, or another task',
    });

  const known = encoded.fields.filter((field) => field.columns.length > 1).map((field) => field.columns);
  const { crosses, loss, pairs } = await searchCrosses(
    labels,
    task.type === 'classification' ? 'class' : 'number',
    codedFields(held, wanted, encoded.fields),
    {
      top,
      signal,
      isCrossed: (a, b) => known.some((together) => together.includes(a) && together.includes(b)),
      onShare: (share) => onProgress?.({ what: 'trying pairs of columns', share }),
    },
  );
  const yaml =
    crosses.length === 0
      ? ''
      : crossYaml(
          crosses.map(({ columns: pair }) => pair),
          Object.keys(features),
        );
  return { task: task.name, rows: labels.length, ofRows: dataset.rows, pairs, loss, crosses, yaml };
}

function chosenTask(tasks: readonly Task[], name: string | undefined): Task {
  const names = tasks.map((task) => task.name);
  const task = name === undefined ? tasks[0] : tasks.find((each) => each.name === name);
  if (task !== undefined) return task;
  throw userError('usage', {
    where: '--task',
    message: joined(`expected one of ${names.join(', ')}, found '${name}'`, didYouMean(name!, names)),
  });
}
