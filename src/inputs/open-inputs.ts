import { listTasks, type Experiment } from '../config/experiment.js';
import { withTables } from '../data/sources/event-logs.js';
import { createRowFormat, type RowFormat } from '../data/rows/row-format.js';
import { checkSharedData } from '../data/sources/source-streams.js';
import { joinComputed } from '../data/sources/computed-columns.js';
import { CounterPass } from '../data/sources/counter-pass.js';
import type { OpenSource } from '../data/sources/open-source.js';
import type { Access } from '../data/sources/source.js';
import { openData, type OpenedData } from '../data/sources/splits.js';
import type { EngineOptions } from '../engines/engines.js';
import { measureOutputs, type MeasuredOutputs } from '../evaluation/measured-outputs.js';
import { computeLayout } from '../features/feature-types.js';
import type { EncodedField } from '../features/feature.js';
import type { Graph } from '../graph/graph.js';
import { buildModel, listLookups } from '../models/models.js';
import { userError } from '../core/errors.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import type { InputLayout } from '../tables/layout.js';
import { withoutRuns, type LabelFacts, type Task } from '../core/tasks.js';
import { createTeachers, type Teachers } from '../teachers/teachers.js';
import { createStart, type Start } from '../warm-start/warm-start.js';

// The steps before training that `train` and `check` share, so that both report the same problems in the same order.

/** The row format of a config and its measured outputs. */
export interface RowsPlan {
  readonly tasks: readonly Task[];
  readonly measured: MeasuredOutputs;
  readonly format: RowFormat;
}

/** The row format of a run with opened data, and its initial weights. */
export interface Inputs extends RowsPlan {
  readonly start: Start;
}

/** The opened files of a run. */
export interface RunInputs extends Inputs {
  readonly sources: OpenedData;
  readonly counters: CounterPass | undefined;
  readonly teachers: Teachers;
}

/** How inputs are opened. */
export interface InputOptions extends Pick<EngineOptions, 'threads' | 'portable'> {
  /** Ranks that train together. */
  readonly peers?: ProcessGroup | undefined;
  /** Opens the files of a split; default: to read all rows. */
  readonly open?: OpenSource | undefined;
  /** Whether rows have the probabilities of teachers that are runs, once these are used. Default: false. */
  readonly isTaught?: boolean;
  /** Has the cache of sorted events; default: none. */
  readonly access?: Access | undefined;
}

/**
 * Returns the row format of a config, and reads the side tables and event logs of its fields; a missing section
 * contributes no column.
 * @throws UserError (data) for a table or log that cannot be read
 */
export async function planRows(
  { data, features = {}, tasks: taskOptions = {}, evaluation }: Partial<Experiment>,
  { isTaught = false, access }: Pick<InputOptions, 'isTaught' | 'access'> = {},
): Promise<RowsPlan> {
  const all = listTasks({ tasks: taskOptions });
  const tasks = isTaught ? all : withoutRuns(all);
  const measured = measureOutputs(tasks, evaluation);
  const format = createRowFormat({
    tasks,
    groups: Object.values(features),
    ...(data !== undefined && { cells: data, sampling: data.negativeSampling }),
    keys: measured.keys,
  });
  return { tasks, measured, format: await withTables(format, data, access) };
}

/**
 * Opens the files of all splits, finds their columns, and prepares the initial weights without reading them.
 * @throws UserError (data) with the problems of all files
 */
export async function openInputs(experiment: Experiment, options: InputOptions = {}): Promise<RunInputs> {
  const { peers = SINGLE_PROCESS, open, isTaught = false } = options;
  checkUnjoined(experiment);
  const rows = await peers.rankZeroFirst(() => planRows(experiment, options));
  if (peers.size > 1) checkSharedData(experiment.data);
  const counters = CounterPass.of(experiment.data, rows.tasks);
  const teachers = createTeachers(experiment, options);
  const compute = joinComputed([counters?.compute, ...(isTaught ? [teachers.compute] : [])]);
  const sources = await openData(experiment.data, rows.format, { open, compute });
  return { ...rows, sources, counters, teachers, start: createStart(experiment, rows.format.fields, peers) };
}

/** @throws UserError (config) for a join, which waits for events */
function checkUnjoined({ data }: Experiment): void {
  if (data.join === undefined) return;
  throw userError('config', {
    key: 'data.join',
    message: 'joins logs that grow',
    fix: 'train and check with --follow; mtl train --follow ends with the logs if you add --until-end',
  });
}

/**
 * Builds the model of a config on its encoded fields.
 * @param facts sums and scales of the training labels
 */
export function buildGraph(
  { data, features, model, training }: Experiment,
  tasks: readonly Task[],
  fields: readonly EncodedField[],
  facts: LabelFacts,
): { readonly layout: InputLayout; readonly graph: Graph } {
  const layout = computeLayout(fields, { groups: features, ...listLookups(model, tasks) });
  return {
    layout,
    graph: buildModel(model, layout, tasks, { ...training, negativeRate: data.negativeSampling?.rate, ...facts }),
  };
}
