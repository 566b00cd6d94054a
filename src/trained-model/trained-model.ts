import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { labelScales } from '../data/batches/label-facts.js';
import { encodedFormat, rowFormatOf, type EncodedFormat } from '../data/rows/row-format.js';
import { dataSection } from '../data/sources/data-state.js';
import type { Engine, Program } from '../engines/engine.js';
import { planSize } from '../engines/plan-size.js';
import { refuseOtherWeights } from '../engines/restore.js';
import { resolveMeasuring, type Measuring } from '../evaluation/options.js';
import { listOutputs, type Output } from '../evaluation/outputs.js';
import { computeLayout, vocabularyBytes } from '../features/feature-types.js';
import type { Graph } from '../graph/graph.js';
import { buildModel, listLookups } from '../models/models.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../optimizers/optimizers.js';
import { sgd } from '../optimizers/sgd.js';
import { calibrateOutputs } from '../runs/calibrated-outputs.js';
import { readCheckpoint, type Checkpoint } from '../runs/checkpoint.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { FILES } from '../runs/manifest.js';
import { readSection } from '../runs/run-state.js';
import type { InputLayout } from '../tables/layout.js';
import type { Task } from '../core/tasks.js';

/** A model as a checkpoint holds it, with all that using it needs. */
export interface TrainedModel {
  /** Of the checkpoint. */
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  /** The config that it was trained with. */
  readonly experiment: Experiment;
  readonly tasks: readonly Task[];
  /** What it is measured on, and what it predicts. */
  readonly spaces: readonly Output[];
  /** What its config measures of them. */
  readonly measuring: Measuring;
  /** Of rows with labels. */
  readonly format: EncodedFormat;
  readonly layout: InputLayout;
  readonly graph: Graph;
}

/**
 * Reads the model of a run (its best checkpoint) or of a checkpoint.
 * @param options whether the optimizer's state is needed too, and whether predictions are wanted as the model makes
 * them, not calibrated
 * @throws UserError (checkpoint) where there is none, or it is not whole; or where it is to be calibrated, and what it
 * has is for other weights
 */
export async function readTrainedModel(
  path: string,
  { withOptimizer = false, raw = false } = {},
): Promise<TrainedModel> {
  const folder = findCheckpoint(path);
  const checkpoint = await readCheckpoint(folder, withOptimizer);
  const experiment = storedExperiment(checkpoint.config, join(folder, 'config.yaml'));
  const tasks = listTasks(experiment);
  const format = encodedFormat(
    rowFormatOf({ tasks, groups: Object.values(experiment.features), cells: experiment.data }),
    checkpoint.fitted,
  );
  const layout = computeLayout(format.fields, { groups: experiment.features, ...listLookups(experiment.model, tasks) });
  const learned = tasks.some(({ scaling }) => scaling !== undefined)
    ? readSection(checkpoint.sections, dataSection, join(folder, FILES.state)).labelScales
    : undefined;
  const graph = buildModel(experiment.model, layout, tasks, {
    ...experiment.training,
    negativeRate: experiment.data.negativeSampling?.rate,
    scales: labelScales(tasks, learned ?? {}),
  });
  refuseOtherWeights({ graph, layout }, checkpoint.program.weights, join(folder, FILES.weights));
  const spaces = raw ? listOutputs(tasks) : calibrateOutputs(listOutputs(tasks), checkpoint, folder);
  return {
    folder,
    checkpoint,
    experiment,
    tasks,
    spaces,
    measuring: resolveMeasuring(experiment.evaluation),
    format,
    layout,
    graph,
  };
}

/** What keeps nothing beside the weights: a model in use is trained no further. */
const keepingNothing = () => ({
  dense: denseOptimizers.schema.parse({ name: sgd.name }),
  embeddings: embeddingOptimizerSchema.parse({ name: sgd.name }),
});

/**
 * The model as a program with the weights of its checkpoint, to predict and to evaluate.
 * @param tell told what people should know
 * @throws UserError where it does not fit the machine
 */
export function compileTrained(
  { checkpoint, experiment, format, layout, graph }: TrainedModel,
  engine: Engine,
  warn: (notice: string) => void,
): Program {
  const plan = { graph, layout, optimizers: keepingNothing(), seed: experiment.seed, isRestored: true };
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
