import { listTasks, type Experiment } from '../config/experiment.js';
import { withLookups } from '../data/sources/lookups.js';
import { rowFormatOf, type RowFormat } from '../data/rows/row-format.js';
import { checkSharedData } from '../data/sources/streams.js';
import { CounterPass } from '../data/sources/counter-pass.js';
import type { OpenSource } from '../data/sources/open-source.js';
import { openData, type OpenedData } from '../data/sources/splits.js';
import { measureOutputs, type MeasuredOutputs } from '../evaluation/measured-outputs.js';
import { computeLayout } from '../features/feature-types.js';
import type { EncodedField } from '../features/feature.js';
import type { Graph } from '../graph/graph.js';
import { buildModel, listLookups } from '../models/models.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import type { InputLayout } from '../tables/layout.js';
import type { LabelFacts, Task } from '../core/tasks.js';
import { createStart, type Start } from '../warm-start/warm-start.js';

// The steps before training that `train` and `check` share, so that both report the same problems in the same order.

/** The row format of a config and its measured outputs. */
export interface RowsPlan {
  readonly tasks: readonly Task[];
  readonly measured: MeasuredOutputs;
  readonly format: RowFormat;
}

/** The opened data of a run, and its initial weights. */
export interface RunInputs extends RowsPlan {
  readonly sources: OpenedData;
  readonly counters: CounterPass | undefined;
  readonly start: Start;
}

/**
 * Returns the row format of a config, and reads the side tables of its fields; a missing section contributes no column.
 * @throws UserError (data) for a side table that cannot be read
 */
export async function planRows({
  data,
  features = {},
  tasks: taskOptions = {},
  evaluation,
}: Partial<Experiment>): Promise<RowsPlan> {
  const tasks = listTasks({ tasks: taskOptions });
  const measured = measureOutputs(tasks, evaluation);
  const format = rowFormatOf({
    tasks,
    groups: Object.values(features),
    ...(data !== undefined && { cells: data, sampling: data.negativeSampling }),
    keys: measured.keys,
  });
  return { tasks, measured, format: await withLookups(format, data?.lookups) };
}

/**
 * Opens the files of all splits, finds their columns, and prepares the initial weights without reading them.
 * @param options.peers ranks that train together
 * @param options.open opens the files of a split; default: to read all rows
 * @throws UserError (data) with the problems of all files
 */
export async function openInputs(
  experiment: Experiment,
  options: { readonly peers?: ProcessGroup; readonly open?: OpenSource } = {},
): Promise<RunInputs> {
  const rows = await planRows(experiment);
  const { peers = SINGLE_PROCESS } = options;
  if (peers.size > 1) checkSharedData(experiment.data);
  const counters = CounterPass.of(experiment.data);
  const sources = await openData(experiment.data, rows.format, options.open, counters);
  return { ...rows, sources, counters, start: createStart(experiment, rows.format.fields, peers) };
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
