import { resolve } from 'node:path';
import { tasksOf } from './config/experiment.js';
import { parseConfig } from './config/load.js';
import { createDataset } from './data/dataset.js';
import type { DataOptions, Split } from './data/options.js';
import { refuseBadRows, skipBadRows } from './data/rejects.js';
import { columnsOf, rowFormatOf } from './data/row-format.js';
import { openRows } from './data/rows.js';
import type { Device } from './engines/device.js';
import { createEngine } from './engines/engines.js';
import { userError } from './errors.js';
import type { Report } from './evaluation/evaluation.js';
import { spacesOf } from './evaluation/spaces.js';
import { encodedFields, fieldsOf, layoutOf } from './features/features.js';
import { buildModel } from './models/models.js';
import { findCheckpoint, readCheckpoint } from './runs/checkpoint.js';
import { EVALUATION_BATCH_ROWS, measure } from './training/measure.js';

/** What is evaluated, and on what. */
export interface EvaluateOptions {
  /** A run or a checkpoint. */
  readonly path: string;
  /** A CSV in place of the config's test data. */
  readonly data?: string | undefined;
  readonly device: Device;
  /** Aborted to give up; its reason is thrown. */
  readonly signal: AbortSignal;
}

/** What an evaluation found. */
export interface EvaluateResult {
  /** The folder of the checkpoint. */
  readonly checkpoint: string;
  /** Optimizer steps behind its weights. */
  readonly step: number;
  readonly metrics: Readonly<Record<string, Report>>;
  readonly numRejects: number;
}

/** Measures a checkpoint on valid and test, or on another CSV; the same numbers that training printed. */
export async function evaluate({ path, data, device, signal }: EvaluateOptions): Promise<EvaluateResult> {
  const folder = findCheckpoint(path);
  const checkpoint = await readCheckpoint(folder, false);
  const experiment = parseConfig(checkpoint.config, `${folder}/config.yaml`);
  const tasks = tasksOf(experiment);
  const format = rowFormatOf(tasks, fieldsOf(Object.values(experiment.features)));
  const fields = encodedFields(format.fields, checkpoint.fitted);
  const sources = await Promise.all(
    splitsOf(experiment.data, data).map(async ([split, file]) => ({ split, rows: await openRows(file, columnsOf(format)) })),
  );

  const layout = layoutOf(fields);
  const graph = buildModel(experiment.model, layout.width, tasks);
  const engine = await createEngine(device);
  const program = engine.compile({ graph, layout, optimizers: experiment.training.optimizer, seed: experiment.seed });
  try {
    program.restore(checkpoint.program);
    const policy = experiment.data.onBadRow === 'skip' ? skipBadRows(undefined, experiment.data.maxRejects) : refuseBadRows;
    const metrics: Record<string, Report> = {};
    for (const { split, rows } of sources) {
      const dataset = createDataset(rows, { ...format, fields }, policy);
      metrics[split] = await measure(program, dataset.batches(EVALUATION_BATCH_ROWS), spacesOf(tasks), signal);
    }
    return { checkpoint: folder, step: checkpoint.program.step, metrics, numRejects: policy.count };
  } finally {
    program.dispose();
  }
}

/** The files to measure: a CSV of the user's stands for test. */
function splitsOf(config: DataOptions, data: string | undefined): [Split, string][] {
  if (data !== undefined) return [['test', resolve(data)]];
  const splits = (['valid', 'test'] as const).flatMap((split): [Split, string][] => {
    const file = config[split];
    return file === undefined ? [] : [[split, file]];
  });
  if (splits.length > 0) return splits;
  throw userError('usage', { where: 'mtl eval', message: 'the config has neither data.valid nor data.test', fix: 'name a CSV with --data' });
}
