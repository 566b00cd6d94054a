import { listTasks, type Experiment } from './config/experiment.js';
import { encodeFields } from './crosses/encoded-columns.js';
import { formatCrosses } from './crosses/feature-yaml.js';
import { searchCrosses, type FoundCross } from './crosses/search.js';
import type { RowBlock } from './chunks/row-block.js';
import { column } from './core/batch.js';
import { holdRows } from './data/batches/held-rows.js';
import { rejectPolicy } from './data/rows/rejects.js';
import { withTables } from './data/sources/event-logs.js';
import { blockColumns, encodedFormat, createRowFormat } from './data/rows/row-format.js';
import type { Access, ReadProgress, Reading } from './data/sources/source.js';
import { openData } from './data/sources/splits.js';
import { didYouMean, joined, quoted, userError } from './core/errors.js';
import { taskColumns, withoutRuns, type Task } from './core/tasks.js';

export interface CrossesOptions extends Pick<Access, 'verifyData'> {
  /** Config with the features and training data. */
  readonly experiment: Experiment;
  /** Task whose label to explain; default: the first task. */
  readonly task?: string | undefined;
  /** Maximum number of crosses. */
  readonly top: number;
  /** Maximum number of rows, sampled from all. */
  readonly rows: number;
  /** Random seed of the sample. */
  readonly seed: number;
  /** Threads that read a large file. */
  readonly threads?: number | undefined;
  onProgress?(progress: ReadProgress): void;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Aborts the search; its reason is thrown. */
  readonly signal: AbortSignal;
}

export interface CrossesResult {
  readonly task: string;
  /** Number of sampled rows with a label, and of all training rows. */
  readonly rows: number;
  readonly totalRows: number;
  /** Number of column pairs tested. */
  readonly pairs: number;
  /** Mean log loss of the measured rows without crosses. */
  readonly loss: number;
  /** Crosses, best first; each adds to those before it. */
  readonly crosses: readonly FoundCross[];
  /** The crosses as a feature group in YAML; empty if there are none. */
  readonly yaml: string;
}

/**
 * Finds column pairs whose combination predicts a label better than both columns alone.
 * @throws UserError (usage) if the task is unknown; (data)
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
  const tasks = withoutRuns(listTasks(experiment));
  const task = findTask(tasks, name);
  const spec = { tasks, groups: Object.values(features), cells: data, sampling: data.negativeSampling };
  const access = { cache: { folder: data.cache, onWarning }, verifyData, onProgress, signal };
  const format = await withTables(createRowFormat(spec), data, access);
  const { train } = await openData(data, format);
  const policy = rejectPolicy(data);
  const reading: Reading = { ...access, policy, onWarning, threads };
  const encoded = encodedFormat(format, await train.fit(format, reading));
  const dataset = await train.dataset(encoded, reading);

  const columns = blockColumns(encoded).filter(({ kind }) => kind === 'id' || kind === 'number' || kind === 'label');
  const sample = await holdRows(dataset, columns, rows, seed, (share) => {
    onProgress?.({ what: `reading ${train.path}`, share });
    signal.throwIfAborted();
  });
  const { labeledRows, labels } = findLabels(sample, task, tasks, train.path);

  const known = encoded.fields
    .filter(({ columns, computed }) => columns.length > 1 && computed === undefined)
    .map(({ columns }) => columns);
  const { crosses, loss, pairs } = await searchCrosses(
    labels,
    task.type === 'classification' ? 'class' : 'number',
    encodeFields(sample, labeledRows, encoded.fields),
    {
      top,
      signal,
      isCrossed: (a, b) => known.some((pair) => pair.includes(a) && pair.includes(b)),
      onShare: (share) => onProgress?.({ what: 'testing column pairs', share }),
    },
  );
  const yaml =
    crosses.length === 0
      ? ''
      : formatCrosses(
          crosses.map(({ columns: pair }) => pair),
          Object.keys(features),
        );
  return { task: task.name, rows: labels.length, totalRows: dataset.rows, pairs, loss, crosses, yaml };
}

/**
 * Finds the rows on which a task is defined, and their labels.
 * @throws UserError (data) if all labels are equal
 */
function findLabels(
  block: RowBlock,
  task: Task,
  tasks: readonly Task[],
  where: string,
): { readonly labeledRows: Uint32Array; readonly labels: Float64Array } {
  const { label, mask } = taskColumns(task, tasks);
  const truth = column(block, label, 'f32').data;
  const defined = mask === undefined ? undefined : column(block, mask, 'f32').data;
  const labeledRows = Uint32Array.from({ length: block.rows }, (_, row) => row).filter(
    (row) => defined === undefined || defined[row] === 1,
  );
  const labels = Float64Array.from(labeledRows, (row) => truth[row]!);
  if (labels.some((value) => value !== labels[0])) return { labeledRows, labels };
  throw userError('data', {
    where,
    key: `task '${task.name}'`,
    message: `the label is ${labels[0] ?? 'undefined'} in all ${labels.length} sampled rows`,
    fix: 'raise --rows, or choose another --task',
  });
}

function findTask(tasks: readonly Task[], name: string | undefined): Task {
  const names = tasks.map((task) => task.name);
  const task = name === undefined ? tasks[0] : tasks.find((each) => each.name === name);
  if (task !== undefined) return task;
  throw userError('usage', {
    where: '--task',
    message: joined(`expected one of ${names.join(', ')}, found ${quoted(name)}`, didYouMean(name!, names)),
  });
}
