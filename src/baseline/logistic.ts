import { setImmediate } from 'node:timers/promises';
import type { Batch } from '../core/batch.js';
import { withoutTeachers, type LabelFacts, type Task } from '../core/tasks.js';
import { hasDelay } from '../data/replay/replayed-dataset.js';
import type { Dataset } from '../data/batches/dataset.js';
import type { EngineOptions } from '../engines/engines.js';
import { createEngine } from '../engines/engines.js';
import type { Program } from '../engines/engine.js';
import type { MeasuredOutputs } from '../evaluation/measured-outputs.js';
import { computeLayout } from '../features/feature-types.js';
import type { EncodedField } from '../features/feature.js';
import { losses, resolveLoss } from '../losses/losses.js';
import { buildLinearModel } from '../models/models.js';
import { buildWidePart } from '../models/wide.js';
import { adagrad } from '../optimizers/adagrad.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../optimizers/optimizers.js';
import { withoutEmbeddings } from '../tables/layout.js';
import { evaluateBatches, EVALUATION_BATCH_ROWS } from '../training/evaluate-batches.js';
import type { Baseline } from '../training/observer.js';
import { shareBaseline, type SharedBaselines } from './shared-baselines.js';

/** Maximum rows that the baseline is trained on, in all passes, and its passes over fewer rows. */
const [MAX_ROWS, MAX_EPOCHS] = [1 << 17, 4];
const BATCH_ROWS = 256;
/** Learning rates of Adagrad: of weights of ids, and of weights of numbers. */
const [ID_RATE, NUMBER_RATE] = [0.05, 0.1];

/** Everything that a logistic baseline is trained and measured on. */
export interface LogisticOptions extends EngineOptions {
  readonly tasks: readonly Task[];
  readonly fields: readonly EncodedField[];
  readonly facts: LabelFacts;
  readonly measured: MeasuredOutputs;
  readonly negativeRate: number | undefined;
  readonly seed: number;
  readonly train: Dataset;
  /** Name and rows of the split to measure. */
  readonly split: string;
  readonly rows: Dataset;
  readonly signal: AbortSignal;
}

/** Where a baseline is shared with other runs, and what it depends on besides its seed. */
export interface LogisticSharing {
  readonly baselines: SharedBaselines;
  readFacts(): Promise<object>;
}

/**
 * Trains a linear model per task, which is logistic for classifications, with a weight per id and number, on at most
 * 2^17 rows; and measures it.
 * @throws the signal's reason
 */
async function trainLogistic({ split, signal, ...options }: LogisticOptions): Promise<Baseline> {
  const { tasks, fields, facts, measured, negativeRate, seed, train, rows } = options;
  const linearTasks = withoutTeachers(tasks).map(withLinearLoss);
  const wide = buildWidePart(true, linearTasks);
  const layout = withoutEmbeddings(computeLayout(fields, { wide }));
  const graph = buildLinearModel(layout, linearTasks, { ...facts, negativeRate, biasInit: 'prior' });
  const optimizers = {
    dense: denseOptimizers.schema.parse({ name: adagrad.name, learningRate: NUMBER_RATE }),
    embeddings: embeddingOptimizerSchema.parse({ name: adagrad.name, learningRate: ID_RATE }),
  };
  const engine = await createEngine({ device: 'cpu', threads: options.threads, portable: options.portable });
  const program = engine.compile({ graph, layout, optimizers, seed, batchRows: BATCH_ROWS }, () => undefined);
  try {
    const count = await trainProgram(program, train, seed, signal);
    const evaluation = { ...measured, keyTexts: rows.keyTexts, terms: graph.terms };
    const { report } = await evaluateBatches(program, rows.batches(EVALUATION_BATCH_ROWS), evaluation, signal);
    return { name: 'logistic', rows: count, split, metrics: report };
  } finally {
    program.dispose();
  }
}

/**
 * As `trainLogistic`, or takes a shared baseline; a failure is only a warning, since the run is complete without it.
 * Delayed labels have no baseline, since it would train on rows in another order than the order of time.
 * @throws the signal's reason
 */
export async function tryLogistic(
  { shared, ...options }: LogisticOptions & { readonly shared: LogisticSharing | undefined },
  warn: (text: string) => void,
): Promise<Baseline | undefined> {
  if (hasDelay(options.tasks)) {
    warn('no logistic baseline: it cannot replay delayed labels');
    return undefined;
  }
  try {
    if (shared === undefined) return await trainLogistic(options);
    const { baselines, readFacts } = shared;
    const train = (): Promise<Baseline> => trainLogistic({ ...options, seed: baselines.seed });
    return await shareBaseline(baselines, await readFacts(), train);
  } catch (error) {
    options.signal.throwIfAborted();
    warn(`no logistic baseline: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** Replaces a loss that compares rows, or whose predictions are no probabilities, by the default one. */
function withLinearLoss(task: Task): Task {
  const { outputKind } = losses.partOf(resolveLoss(task));
  return task.type === 'classification' && outputKind !== 'logit'
    ? { ...task, loss: undefined, lossKey: undefined }
    : task;
}

/** Trains until all passes are done; returns the number of rows. */
async function trainProgram(program: Program, train: Dataset, seed: number, signal: AbortSignal): Promise<number> {
  let rows = 0;
  const step = async (batch: Batch): Promise<void> => {
    await program.trainStep(batch);
    rows += batch.rows;
    if (rows % (64 * BATCH_ROWS) === 0) await setImmediate();
    signal.throwIfAborted();
  };
  for (let epoch = 1; epoch <= MAX_EPOCHS && rows < MAX_ROWS; epoch++)
    for await (const { batch } of train.batches(BATCH_ROWS, { seed, epoch, window: MAX_ROWS })) {
      if (rows >= MAX_ROWS) break;
      await step(batch);
    }
  return rows;
}
