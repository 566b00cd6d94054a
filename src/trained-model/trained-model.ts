import { userError } from '../core/errors.js';
import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { labelScales } from '../data/batches/label-facts.js';
import { encodedFormat, createRowFormat, type EncodedFormat } from '../data/rows/row-format.js';
import { dataSection } from '../data/sources/data-state.js';
import { withEventLogs } from '../data/sources/event-logs.js';
import type { Access } from '../data/sources/source.js';
import type { Engine, Plan, Program, ProgramState } from '../engines/engine.js';
import { planSize } from '../engines/plan-size.js';
import type { Precision } from '../engines/precision.js';
import { refuseOtherWeights } from '../engines/restore.js';
import { resolveMeasuring, type Measuring } from '../evaluation/options.js';
import { listOutputs, type Output } from '../evaluation/outputs.js';
import { computeLayout, vocabularyBytes } from '../features/feature-types.js';
import { splitHistories } from '../features/stored-histories.js';
import type { Graph } from '../graph/graph.js';
import { buildModel, listLookups } from '../models/models.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../optimizers/optimizers.js';
import { sgd } from '../optimizers/sgd.js';
import { calibrateOutputs } from '../runs/calibrated-outputs.js';
import { readCheckpoint, type Checkpoint, type CheckpointReading } from '../runs/checkpoint.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { FILES } from '../runs/manifest.js';
import { readSection } from '../runs/run-state.js';
import type { InputLayout } from '../tables/layout.js';
import { withoutTeachers, type Task } from '../core/tasks.js';

/** A model of a checkpoint with everything needed to use it. */
export interface TrainedModel {
  /** Path of the checkpoint directory. */
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  readonly experiment: Experiment;
  readonly tasks: readonly Task[];
  /** Outputs to measure and predict. */
  readonly outputs: readonly Output[];
  /** Metrics of the config. */
  readonly measuring: Measuring;
  /** Row format including labels. */
  readonly format: EncodedFormat;
  readonly layout: InputLayout;
  readonly graph: Graph;
}

/**
 * Reads the model of a run (its best checkpoint) or a checkpoint.
 * @param options.raw whether predictions stay uncalibrated
 * @throws UserError (checkpoint) if there is none, it is incomplete, or its calibration belongs to other weights
 */
export async function readTrainedModel(
  path: string,
  { raw, ...reading }: CheckpointReading & { readonly raw?: boolean | undefined } = {},
): Promise<TrainedModel> {
  const folder = findCheckpoint(path);
  return buildTrainedModel(folder, await readCheckpoint(folder, reading), raw);
}

/**
 * Builds the model of a checkpoint.
 * @param raw whether predictions stay uncalibrated
 * @throws UserError (checkpoint) if its weights are of another model, or its calibration belongs to other weights
 */
export function buildTrainedModel(folder: string, checkpoint: Checkpoint, raw = false): TrainedModel {
  const experiment = storedExperiment(checkpoint.config, join(folder, 'config.yaml'));
  const tasks = withoutTeachers(listTasks(experiment));
  const format = encodedFormat(
    createRowFormat({
      tasks,
      groups: Object.values(experiment.features),
      cells: experiment.data,
      lookups: checkpoint.lookups,
    }),
    checkpoint.fitted,
  );
  const layout = computeLayout(format.fields, { groups: experiment.features, ...listLookups(experiment.model, tasks) });
  const scales = tasks.some(({ scaling }) => scaling !== undefined)
    ? readSection(checkpoint.sections, dataSection, join(folder, FILES.state)).labelScales
    : undefined;
  const graph = buildModel(experiment.model, layout, tasks, {
    ...experiment.training,
    negativeRate: experiment.data.negativeSampling?.rate,
    scales: labelScales(tasks, scales ?? {}),
  });
  refuseOtherWeights({ graph, layout }, checkpoint.program.weights, join(folder, FILES.weights));
  return {
    folder,
    checkpoint,
    experiment,
    tasks,
    outputs: resolveOutputs(tasks, checkpoint, folder, raw),
    measuring: resolveMeasuring(experiment.evaluation),
    format,
    layout,
    graph,
  };
}

/**
 * Returns the outputs of a checkpoint to measure and predict.
 * @param raw whether predictions stay uncalibrated
 * @throws UserError (checkpoint) if its calibration belongs to other weights
 */
export function resolveOutputs(
  tasks: readonly Task[],
  checkpoint: Pick<Checkpoint, 'program' | 'sections'>,
  folder: string,
  raw: boolean,
): readonly Output[] {
  return raw ? listOutputs(tasks) : calibrateOutputs(listOutputs(tasks), checkpoint, folder);
}

/**
 * Returns the model for rows of files, whose items are in event logs or in the checkpoint; rows of a program have their
 * items.
 * @param access has the cache of sorted events; default: none
 * @throws UserError (data) for a log that cannot be read
 */
export async function withEvents(model: TrainedModel, access?: Access): Promise<TrainedModel> {
  const { format, checkpoint, experiment } = model;
  const streamed = checkpoint.states.histories && splitHistories(checkpoint.states.histories);
  const logged = await withEventLogs(format, experiment.data, access, streamed);
  return logged === format ? model : { ...model, format: encodedFormat(logged, checkpoint.fitted) };
}

/** Returns the format of rows to predict, which need no labels. */
export function unlabeledFormat({ format: { spec }, checkpoint }: TrainedModel): EncodedFormat {
  return encodedFormat(createRowFormat({ ...spec, tasks: [], keys: [], lossKeys: [] }), checkpoint.fitted);
}

/** Optimizers without state: a model in use is not trained. */
const statelessOptimizers = () => ({
  dense: denseOptimizers.schema.parse({ name: sgd.name }),
  embeddings: embeddingOptimizerSchema.parse({ name: sgd.name }),
});

/** How a model in use is compiled. */
export interface UseOptions {
  /** Whether it predicts candidates of users. Default: false. */
  readonly isRanked?: boolean;
  /** Precision of the operands of matrix products. Default: `f32`. */
  readonly precision?: Precision | undefined;
}

/**
 * Compiles a model with the weights of its checkpoint, for prediction and evaluation.
 * @param warn receives warnings
 * @throws UserError if the model does not fit the machine; (usage) if the engine lacks the precision or format
 */
export function compileTrained(
  { checkpoint, experiment, format, layout, graph }: TrainedModel,
  engine: Engine,
  warn: (text: string) => void,
  { isRanked = false, precision = 'f32' }: UseOptions = {},
): Program {
  const { predictionPrecisions = ['f32'] } = engine;
  if (!predictionPrecisions.includes(precision))
    throw userError('usage', {
      where: `precision ${precision}`,
      message: `predictions in it are not supported by ${engine.description}`,
      fix: `use ${predictionPrecisions.join(' or ')}, or another device`,
    });
  const { tableFormats = ['f32'] } = engine;
  const { tableFormat = 'f32' } = checkpoint;
  if (!tableFormats.includes(tableFormat))
    throw userError('usage', {
      where: `tables ${tableFormat}`,
      message: `quantized tables are not supported by ${engine.description}`,
      fix: `use ${tableFormats.join(' or ')}, or the CPU`,
    });
  const plan: Plan = {
    graph,
    layout,
    optimizers: statelessOptimizers(),
    seed: experiment.seed,
    isRestored: true,
    isRanked,
    predictionPrecision: precision,
    tableFormat,
    sharedTables: selectShared(checkpoint.program.weights),
  };
  planSize(plan, engine, vocabularyBytes(format.fields));
  const program = engine.compile(plan, warn);
  try {
    program.restore(checkpoint.program);
  } catch (error) {
    program.dispose();
    throw error;
  }
  return program;
}

/** Selects the tensors in shared memory, with the spare memory after them. */
function selectShared(weights: ProgramState['weights']): NonNullable<Plan['sharedTables']> {
  const whole = [...weights].filter(([, { parts }]) => parts === undefined);
  return new Map(
    whole
      .map(([name, { data }]) => [name, data] as const)
      .filter(([, { buffer }]) => buffer instanceof SharedArrayBuffer)
      .map(([name, { buffer, byteOffset }]) => [name, new Float32Array(buffer, byteOffset)]),
  );
}
