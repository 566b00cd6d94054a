import { dataSection, firstDataState, type DataState } from './data/sources/data-state.js';
import { isSameContent } from './data/readers/fingerprint.js';
import type { Split } from './data/options.js';
import {
  differingSurroundings,
  differingKeys,
  findCompared,
  getRunName,
  sameData,
  type DifferingKey,
  type ComparedRun,
  type IsSame,
} from './diff/compared-run.js';
import { compareReports, compareSides, type Difference } from './diff/compare.js';
import { predictModel, type PredictedData, type PredictedModel } from './diff/predicted-model.js';
import { explainUnpaired } from './diff/why-unpaired.js';
import { userError } from './core/errors.js';
import { collectDirections, type MetricDirections } from './evaluation/metric-direction.js';
import { readSection } from './runs/run-state.js';
import { readStoredModel } from './diff/stored-model.js';
import { hasStoredRows } from './evaluation/stored-rows.js';
import { readTrainedModel, type TrainedModel } from './trained-model/trained-model.js';

export interface DiffOptions extends PredictedData {
  /** Two runs (their best checkpoints) or checkpoints. */
  readonly paths: readonly [string, string];
  /** Uses the metrics that the runs recorded at their end, without predicting. */
  readonly isRecorded: boolean;
  /** Confidence level of the intervals, between 0 and 1; default: 0.95. */
  readonly confidence?: number;
}

/** One of the two models; JSON. */
export interface ComparedModel {
  readonly run: string;
  readonly checkpoint: string;
  readonly step: number;
  readonly name: string;
  readonly model: string;
  readonly seed: number;
}

/** Differences between two runs; JSON. */
export interface DiffResult {
  readonly a: ComparedModel;
  readonly b: ComparedModel;
  /** Config keys with different values, defaults included. */
  readonly config: readonly DifferingKey[];
  /** Differences in version, commit, Node, engine and machine. */
  readonly code: readonly DifferingKey[];
  /** Whether both used the same rows for each split; null if unknown. */
  readonly data: Readonly<Record<Split, IsSame>>;
  readonly split: Split;
  /** Rows of the split and how many were predicted; null with recorded metrics. */
  readonly rows: number | null;
  readonly predictedRows: number | null;
  /** Why rows were not paired; null if they were. */
  readonly unpaired: string | null;
  /** Predicted rows that a run was trained on, as text; null if none are known. */
  readonly trainingRows: { readonly a: string | null; readonly b: string | null };
  readonly metrics: readonly Difference[];
}

/**
 * Compares two runs: their configs, their data and their predictions.
 * Pairs the predictions row by row if both predict the same rows.
 */
export async function diff({ paths, isRecorded, confidence, ...options }: DiffOptions): Promise<DiffResult> {
  // Models are loaded one after the other; only labels and predictions of both are in memory together.
  const a = await loadSide(paths[0], isRecorded ? undefined : options);
  const b = await loadSide(paths[1], isRecorded ? undefined : options, a.predicted?.split);
  const about = {
    a: a.model,
    b: b.model,
    config: differingKeys(a.experiment, b.experiment),
    code: differingSurroundings(a.compared, b.compared),
  };
  const data = sameData(a.dataState, b.dataState);
  if (a.predicted === undefined || b.predicted === undefined) {
    const split = recordedSplit(a.compared, b.compared);
    const [metricsA, metricsB] = [a, b].map(({ compared }) => compared.run!.metrics[split]!);
    return {
      ...about,
      data: { ...data, test: null },
      split,
      rows: null,
      predictedRows: null,
      unpaired: 'no rows were predicted',
      trainingRows: { a: null, b: null },
      metrics: compareReports(metricsA!, metricsB!, a.goals),
    };
  }
  for (const { known, name } of [a, b].map(({ predicted, model }) => ({ known: predicted!.known, name: model.run })))
    for (const text of [known?.trained, known?.early]) if (text !== undefined) options.onWarning(`${name}: ${text}`);
  const { split, rows } = a.predicted;
  const unpaired = explainUnpaired(a.predicted, b.predicted) ?? null;
  const isSameTest = split === 'test' ? isSameContent(a.predicted.fingerprint, b.predicted.fingerprint) : null;
  return {
    ...about,
    data: { ...data, test: isSameTest },
    split,
    rows,
    predictedRows: Math.min(rows, options.limit),
    unpaired,
    trainingRows: { a: a.predicted.known?.trained ?? null, b: b.predicted.known?.trained ?? null },
    metrics: compareSides(a.predicted, b.predicted, unpaired === null, confidence),
  };
}

interface ComparedSide extends Pick<TrainedModel, 'experiment'> {
  readonly compared: ComparedRun;
  readonly model: ComparedModel;
  readonly dataState: DataState;
  readonly goals: MetricDirections;
  readonly predicted: PredictedModel | undefined;
}

/** @param options how to predict rows; undefined to use recorded metrics */
async function loadSide(
  path: string,
  options: PredictedData | undefined,
  split?: PredictedModel['split'],
): Promise<ComparedSide> {
  const compared = findCompared(path);
  const { folder: checkpoint, run } = compared;
  const name = getRunName(compared);
  const model = (experiment: TrainedModel['experiment'], step: number, type: string): ComparedModel => ({
    run: name,
    checkpoint,
    step,
    name: experiment.name,
    model: type,
    seed: experiment.seed,
  });
  if (hasStoredRows(checkpoint)) {
    const { experiment, dataState, goals, readPredicted } = await readStoredModel(checkpoint);
    const about = model(experiment, run?.step ?? 0, run?.model ?? '-');
    return {
      compared,
      model: about,
      experiment,
      dataState,
      goals,
      predicted: options && (await readPredicted(options, split)),
    };
  }
  const trained = await readTrainedModel(checkpoint);
  const { experiment, checkpoint: state, outputs, measuring } = trained;
  return {
    compared,
    model: model(experiment, state.program.step, experiment.model.name),
    experiment,
    dataState: Object.hasOwn(state.sections, dataSection.name)
      ? readSection(state.sections, dataSection, checkpoint)
      : firstDataState(),
    goals: collectDirections(outputs, measuring),
    predicted: options && (await predictModel(name, trained, options, split)),
  };
}

/**
 * Finds a split that both runs measured at their end: test, or valid if one has no test metrics.
 * @throws UserError (usage) if there is none
 */
function recordedSplit(a: ComparedRun, b: ComparedRun): Split {
  const common = (['test', 'valid'] as const).find((split) =>
    [a, b].every(({ run }) => run?.metrics[split] !== undefined),
  );
  if (common !== undefined) return common;
  throw userError('usage', {
    where: '--use-recorded',
    message: 'the two runs have no recorded split in common',
    fix: 'omit --use-recorded to predict the test set with both',
  });
}
