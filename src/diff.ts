import { dataSection, firstDataState, type DataState } from './data/sources/data-state.js';
import { isSameContent } from './data/files/fingerprint.js';
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
import { whyUnpaired } from './diff/why-unpaired.js';
import { userError } from './core/errors.js';
import { collectDirections, type MetricDirections } from './evaluation/metric-direction.js';
import { readSection } from './runs/run-state.js';
import { readTrainedModel, type TrainedModel } from './trained-model/trained-model.js';

/** What is compared, and how. */
export interface DiffOptions extends PredictedData {
  /** Two runs (their best checkpoints) or checkpoints. */
  readonly paths: readonly [string, string];
  /** Takes what the runs measured when they ended, and predicts nothing anew. */
  readonly isRecorded: boolean;
  /** Of the intervals, between 0 and 1; default: 0.95. */
  readonly confidence?: number;
}

/** One of the two; JSON. */
export interface ComparedModel {
  readonly run: string;
  readonly checkpoint: string;
  readonly step: number;
  readonly name: string;
  readonly model: string;
  readonly seed: number;
}

/** What tells two runs apart; JSON. */
export interface DiffResult {
  readonly a: ComparedModel;
  readonly b: ComparedModel;
  /** Keys of their configs, with defaults. */
  readonly config: readonly DifferingKey[];
  /** Of version, commit, Node, engine and machine. */
  readonly code: readonly DifferingKey[];
  /** Whether they were trained on, chosen by and measured on the same rows; null where it is not known. */
  readonly data: Readonly<Record<Split, IsSame>>;
  readonly split: Split;
  /** Of the split, where it was predicted, and how many of these. */
  readonly rows: number | null;
  readonly predictedRows: number | null;
  /** Why the rows of both were not paired; null where they were. */
  readonly unpaired: string | null;
  readonly metrics: readonly Difference[];
}

/**
 * Compares two runs: what was asked of them, what they were trained on, and how they predict, row by row where they
 * predict the same rows.
 */
export async function diff({ paths, isRecorded, confidence, ...options }: DiffOptions): Promise<DiffResult> {
  // One model after the other: of both together, only labels and predictions are in memory.
  const a = await look(paths[0], isRecorded ? undefined : (name, trained) => predictModel(name, trained, options));
  const b = await look(
    paths[1],
    isRecorded ? undefined : (name, trained) => predictModel(name, trained, options, a.predicted?.split),
  );
  const about = {
    a: a.model,
    b: b.model,
    config: differingKeys(a.experiment, b.experiment),
    code: differingSurroundings(a.compared, b.compared),
  };
  const data = sameData(a.dataState, b.dataState);
  if (a.predicted === undefined || b.predicted === undefined) {
    const split = recordedSplit(a.compared, b.compared);
    const [before, after] = [a, b].map(({ compared }) => compared.run!.metrics[split]!);
    return {
      ...about,
      data: { ...data, test: null },
      split,
      rows: null,
      predictedRows: null,
      unpaired: 'nothing was predicted anew',
      metrics: compareReports(before!, after!, a.goals),
    };
  }
  const { split, rows } = a.predicted;
  const unpaired = whyUnpaired(a.predicted, b.predicted) ?? null;
  const isSameTest = split === 'test' ? isSameContent(a.predicted.fingerprint, b.predicted.fingerprint) : null;
  return {
    ...about,
    data: { ...data, test: isSameTest },
    split,
    rows,
    predictedRows: Math.min(rows, options.limit),
    unpaired,
    metrics: compareSides(a.predicted, b.predicted, unpaired === null, confidence),
  };
}

/** One of the two, without its weights. */
interface Looked extends Pick<TrainedModel, 'experiment'> {
  readonly compared: ComparedRun;
  readonly model: ComparedModel;
  readonly dataState: DataState;
  readonly goals: MetricDirections;
  readonly predicted: PredictedModel | undefined;
}

async function look(
  path: string,
  predict: ((name: string, trained: TrainedModel) => Promise<PredictedModel>) | undefined,
): Promise<Looked> {
  const compared = findCompared(path);
  const trained = await readTrainedModel(compared.folder);
  const { experiment, checkpoint, spaces, measuring } = trained;
  const run = getRunName(compared);
  const dataState = Object.hasOwn(checkpoint.sections, dataSection.name)
    ? readSection(checkpoint.sections, dataSection, compared.folder)
    : firstDataState();
  const model = {
    run,
    checkpoint: compared.folder,
    step: checkpoint.program.step,
    name: experiment.name,
    model: experiment.model.name,
    seed: experiment.seed,
  };
  return {
    compared,
    model,
    experiment,
    dataState,
    goals: collectDirections(spaces, measuring),
    predicted: await predict?.(run, trained),
  };
}

/**
 * What both measured when they ended: test, or valid where one has no test.
 * @throws UserError (usage) where one measured nothing
 */
function recordedSplit(a: ComparedRun, b: ComparedRun): Split {
  const found = (['test', 'valid'] as const).find((split) =>
    [a, b].every(({ run }) => run?.metrics[split] !== undefined),
  );
  if (found !== undefined) return found;
  throw userError('usage', {
    where: '--use-recorded',
    message: 'the two have measured nothing in common',
    fix: 'leave --use-recorded out, and both predict test anew',
  });
}
