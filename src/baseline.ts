import { mkdtemp } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPython, runTrees, type TreePython } from './baseline/python.js';
import { countTreeIds, planTreeColumns, type IdCounts } from './baseline/tree-columns.js';
import {
  readTreePredictions,
  readTreeResult,
  writeTreeRows,
  writeTreeSpec,
  type TreeResult,
  type TreeTask,
} from './baseline/tree-files.js';
import { dumpConfig } from './config/dump.js';
import type { LoadedConfig } from './config/load.js';
import { rootTasks, type LabelFacts, type Task } from './core/tasks.js';
import type { Dataset } from './data/batches/dataset.js';
import { observing, rejectPolicy, rowPlace, type RejectPolicy } from './data/rows/rejects.js';
import { joinStates, NO_COUNTERS } from './data/counters/counter-start.js';
import { CounterPass } from './data/sources/counter-pass.js';
import { firstDataState, type DataState } from './data/sources/data-state.js';
import type { Access, ReadProgress, Reading } from './data/sources/source.js';
import { openData, openEncoded, type OpenedData } from './data/sources/splits.js';
import { createCollector, type Collector } from './evaluation/evaluation.js';
import { writeStoredRows } from './evaluation/stored-rows.js';
import type { StoredFacts } from './diff/stored-model.js';
import { planRows, type RowsPlan } from './inputs/open-inputs.js';
import { remove } from './io/busy.js';
import type { Fitted } from './features/feature-types.js';
import { findLoss } from './losses/losses.js';
import { computePositiveWeight } from './models/bias-init.js';
import { openRun, type OpenRun, type RunRequest } from './runs/open-run.js';
import { treeFile, writeTrees } from './runs/tree-store.js';
import { monotonicMs } from './system/clock.js';
import { firstLoopState, type LoopState } from './training/loop-state.js';
import { buildStopping, computeMeasurement, type Evaluation } from './training/monitor.js';
import { EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';
import type { TrainResult } from './training/observer.js';
import { readStartCounters } from './warm-start/warm-start.js';

/** Name of the model in runs, and suffix of their directory. */
export const TREES = 'lightgbm';
/** Maximum number of trees per task with early stopping, and the number without a validation set. */
export const [MAX_TREES, DEFAULT_TREES] = [1000, 100];

/** Options of `trainTrees`, in addition to the config. */
export interface BaselineOptions extends Pick<Access, 'verifyData'>, Pick<RunRequest, 'name' | 'runDir' | 'overrides'> {
  /** Maximum number of trees per task; default: 1000 with a validation set, else 100. */
  readonly rounds?: number | undefined;
  /** Number of trees without improvement on the validation set after which training stops. */
  readonly patience: number;
  /**
   * Number of folds of the training rows, from 2 to 100: per task, as many more models are stored, trained without the
   * rows of a fold each, which score these rows in a distillation. Default: none.
   */
  readonly folds?: number | undefined;
  /** LightGBM's parameters that replace the defaults. */
  readonly params: Readonly<Record<string, string>>;
  readonly threads?: number | undefined;
  onProgress(progress: ReadProgress): void;
  onWarning(text: string): void;
  /** Aborts the training; its reason is thrown. */
  readonly signal: AbortSignal;
}

export interface BaselineResult extends TrainResult {
  /** Number of trees by task. */
  readonly trees: Readonly<Record<string, number>>;
}

type EncodedData = Awaited<ReturnType<typeof openEncoded>>;

/** Everything that the steps of a baseline share. */
interface Session {
  readonly loaded: LoadedConfig;
  readonly options: BaselineOptions;
  readonly python: TreePython;
  readonly plan: RowsPlan;
  readonly sources: OpenedData;
  readonly counters: CounterPass | undefined;
  readonly reading: Reading;
  readonly state: DataState;
  /** Locations of invalid rows. */
  readonly badRows: ReadonlySet<string>;
}

/**
 * Trains a boosted tree per task with LightGBM on the rows, features and splits of a config, in a new run. The metrics
 * are computed like the metrics of `train`. Counters continue from the checkpoint of `initFrom`.
 * @throws UserError (usage) if Python or LightGBM is missing or fails; (data); (checkpoint)
 */
export async function trainTrees(loaded: LoadedConfig, options: BaselineOptions): Promise<BaselineResult> {
  const { experiment, source } = loaded;
  const { signal, onWarning } = options;
  const python = findPython();
  const { data, initFrom } = experiment;
  const { onProgress, verifyData, threads } = options;
  const access = { cache: { folder: data.cache, onWarning }, onProgress, verifyData, signal };
  const plan = await planRows(experiment, { access });
  const counters = CounterPass.of(data, plan.tasks);
  const sources = await openData(data, plan.format, { compute: counters?.compute });
  const earlier = counters && initFrom && (await readStartCounters(initFrom));
  const run = await openTreeRun(loaded, options, python, source);
  if (earlier !== undefined)
    counters?.warmStart(earlier, (text) => (run.log.event('counters', { text }), onWarning(text)));
  const badRows = new Set<string>();
  const policy = observing(rejectPolicy(data, run.log.rejectsPath), (row) => badRows.add(rowPlace(row)));
  const reading = { ...access, policy, onWarning, threads };
  const opened = { plan, sources, counters, reading };
  const session = { loaded, options, python, ...opened, state: firstDataState(), badRows };
  try {
    return await trainInRun(session, run, policy);
  } catch (error) {
    run.log.failure(error);
    throw error;
  } finally {
    await run.release();
  }
}

function openTreeRun(
  { experiment }: LoadedConfig,
  { name, runDir, overrides, onWarning, signal }: BaselineOptions,
  { versions }: TreePython,
  source: string,
): Promise<OpenRun> {
  return openRun(
    {
      name,
      runDir,
      overrides,
      signal,
      configName: `${experiment.name}-${TREES}`,
      runs: experiment.runs,
      track: experiment.loggers,
      source,
      config: dumpConfig(experiment),
      values: experiment,
      engine: { name: TREES, description: versions },
      compareConfig: () => [],
      isLatest: false,
    },
    onWarning,
  );
}

async function trainInRun(session: Session, run: OpenRun, policy: RejectPolicy): Promise<BaselineResult> {
  const { loaded, plan, sources, reading, state } = session;
  const { experiment } = loaded;
  const data = await openEncoded(sources, plan.format, await sources.train.fit(plan.format, reading), reading, state);
  const folder = await mkdtemp(join(tmpdir(), 'mtl-baseline-'));
  try {
    const startMs = monotonicMs();
    const tasks = treeTasks(plan.tasks, data.facts);
    const idCounts = await writeInputs(session, data, folder, tasks);
    run.log.event('start', { run: run.folder, model: TREES, engine: session.python.versions, epochs: 1 });
    await run.begin({ unknown: data.unknown });
    await trainScript(session, folder);
    const trees = await readTreeResult(folder);
    const evaluated = await evaluateSplits(session, data, folder, tasks);
    const loop = await logTraining(session, run, { trees, evaluated, rows: data.train.rows, startMs });
    await keepTrees(session, run, { folder, fitted: data.encoded.fitted, idCounts, trees });
    await keepRows(session, run, evaluated);
    const metrics = await run.log.results(loop, { test: evaluated.test?.evaluation });
    const { name, seed, training } = experiment;
    const facts = { end: 'finished', name, model: TREES, seed, monitor: training.monitor, metrics } as const;
    const result = await run.log.end({ ...facts, rejectedRows: policy.count }, loop);
    return { ...result, trees: Object.fromEntries(tasks.map((task, t) => [task.name, trees[t]!.trees])) };
  } finally {
    await data.train.close();
    await remove(folder);
  }
}

function treeTasks(tasks: readonly Task[], { sums, scales }: LabelFacts): readonly TreeTask[] {
  const roots = rootTasks(tasks);
  return tasks.map((task) => {
    const { name, type } = task;
    return {
      ...task,
      objective: type === 'classification' ? 'binary' : (findLoss(task).treeObjective ?? 'regression'),
      positiveWeight: computePositiveWeight(task, sums.get(name)?.own),
      isRoot: roots.includes(task),
      steps: scales.get(name) ?? [],
    };
  });
}

/** Writes all rows for the script; returns the counts of ids that their columns depend on. */
async function writeInputs(
  { loaded: { experiment }, options, reading }: Session,
  data: EncodedData,
  folder: string,
  tasks: readonly TreeTask[],
): Promise<IdCounts> {
  const { train, valid, test, encoded } = data;
  const { rounds = valid === undefined ? DEFAULT_TREES : MAX_TREES, patience, folds = 0, params, threads } = options;
  const idCounts = await countTreeIds(encoded.fields, () => train.batches(EVALUATION_BATCH_ROWS));
  const columns = planTreeColumns(encoded.fields, idCounts);
  for (const name of new Set(encoded.fields.flatMap((field) => ('sequence' in field ? field.sequence.name : []))))
    options.onWarning(
      `sequence '${name}': trees read counts of its frequent items and means of its numbers, without their order ` +
        'and without the candidate',
    );
  const rows: Record<string, number> = {};
  for (const [split, dataset] of Object.entries({ train, valid, test })) {
    if (dataset === undefined) continue;
    rows[split] = dataset.rows;
    const written = { split, dataset, folds: dataset === train ? folds : 0 };
    await writeTreeRows(folder, written, columns, tasks, (share) => {
      reading.onProgress?.({ what: `writing ${split} for Python`, share });
      options.signal.throwIfAborted();
    });
  }
  const { seed } = experiment;
  const spec = { rows, rounds, patience, folds, seed, threads: threads ?? availableParallelism(), params };
  await writeTreeSpec(folder, spec, columns, tasks);
  return idCounts;
}

function trainScript({ python, options }: Session, folder: string): Promise<void> {
  return runTrees(
    python,
    folder,
    ({ task, share }) => options.onProgress({ what: `training trees for ${task}`, share }),
    options.signal,
  );
}

/** The rows of a split with the trees' predictions, and their metrics. */
interface EvaluatedSplit {
  readonly collector: Collector;
  readonly evaluation: Omit<Evaluation, 'loss'>;
}

type EvaluatedSplits = Readonly<Partial<Record<'valid' | 'test', EvaluatedSplit>>>;

async function evaluateSplits(
  { loaded, plan }: Session,
  { valid, test }: EncodedData,
  folder: string,
  tasks: readonly TreeTask[],
): Promise<EvaluatedSplits> {
  const rate = loaded.experiment.data.negativeSampling?.rate ?? 1;
  const evaluate = async (split: string, dataset: Dataset | undefined): Promise<EvaluatedSplit | undefined> =>
    dataset && evaluateRows(dataset, plan, await readTreePredictions(folder, split, tasks, rate));
  const [validSplit, testSplit] = [await evaluate('valid', valid), await evaluate('test', test)];
  return { ...(validSplit && { valid: validSplit }), ...(testSplit && { test: testSplit }) };
}

async function evaluateRows(
  dataset: Dataset,
  { measured: { outputs, measuring } }: RowsPlan,
  predictions: ReadonlyMap<string, Float32Array>,
): Promise<EvaluatedSplit> {
  const collector = createCollector(outputs, measuring);
  let row = 0;
  for await (const { batch } of dataset.batches(EVALUATION_BATCH_ROWS)) {
    const [begin, end] = [row, (row += batch.rows)];
    collector.add(batch, new Map(Array.from(predictions, ([task, all]) => [task, all.subarray(begin, end)])));
  }
  return { collector, evaluation: collector.measured(dataset.keyTexts) };
}

/** What the log of a run shows of its training. */
interface Trained {
  readonly trees: TreeResult;
  readonly evaluated: EvaluatedSplits;
  readonly rows: number;
  readonly startMs: number;
}

/** Logs the training as one epoch; returns its state. */
async function logTraining(
  { loaded: { experiment }, plan }: Session,
  run: OpenRun,
  { trees, evaluated, rows, startMs }: Trained,
): Promise<LoopState> {
  const lossesOf = (split: string): Readonly<Record<string, number>> =>
    Object.fromEntries(plan.tasks.map(({ name }, t) => [name, trees[t]!.losses[split] ?? 0]));
  const totalOf = (losses: Readonly<Record<string, number>>): number =>
    plan.tasks.reduce((sum, { name, weight }) => sum + weight * losses[name]!, 0);
  const losses = lossesOf('train');
  const { training } = experiment;
  const valid =
    evaluated.valid &&
    computeMeasurement({ ...evaluated.valid.evaluation, loss: totalOf(lossesOf('valid')) }, training.monitor);
  const step = trees.reduce((sum, each) => sum + each.trees, 0);
  const loop = firstLoopState();
  const stopping = buildStopping(training, loop, plan.measured.goals);
  if (valid !== undefined) stopping.observe(valid.monitored);
  await run.log.milestone({
    epoch: 1,
    isEpochEnd: true,
    step,
    rows,
    elapsedMs: monotonicMs() - startMs,
    loss: { total: totalOf(losses), losses },
    skippedBatches: 0,
    valid,
    isBest: true,
    best: { epoch: 1, value: stopping.state().best },
  });
  const best = { bestEpoch: 1, bestStep: step, bestReport: valid?.report ?? null };
  return Object.assign(loop, { step, epoch: 1, ...best, stopping: stopping.state() });
}

/** What the script trained, and the encoding of its features. */
interface TrainedTrees {
  /** Directory of the script. */
  readonly folder: string;
  readonly fitted: Fitted;
  readonly idCounts: IdCounts;
  readonly trees: TreeResult;
}

/** Stores the trees with the encoding of their features, so that they can score other rows. */
async function keepTrees(
  { loaded: { experiment }, options: { folds = 0 }, plan, counters, reading }: Session,
  run: OpenRun,
  { folder, fitted, idCounts, trees }: TrainedTrees,
): Promise<void> {
  const stored = {
    facts: { trees: Object.fromEntries(plan.tasks.map(({ name }, t) => [name, trees[t]!.trees])), folds },
    config: dumpConfig(experiment),
    fitted,
    idCounts,
    lookups: plan.format.spec.lookups ?? new Map(),
    states: { counters: joinStates((await counters?.states(reading)) ?? NO_COUNTERS) },
  };
  const models = plan.tasks.flatMap(({ name }, t) => [
    [treeFile(name), join(folder, `task-${t}.txt`)] as const,
    ...Array.from({ length: folds }, (_, k) => [treeFile(name, k), join(folder, `task-${t}.fold-${k}.txt`)] as const),
  ]);
  await writeTrees(run.folder, stored, new Map(models));
}

/** Stores the predicted rows for `mtl diff`. */
async function keepRows(
  { loaded: { experiment }, sources, reading, state, badRows }: Session,
  run: OpenRun,
  evaluated: EvaluatedSplits,
): Promise<void> {
  const { where, split: division } = experiment.data;
  const splits = Object.entries(evaluated);
  const facts: StoredFacts = { rowSelection: { where, division }, dataState: state, splits: {} };
  for (const split of ['valid', 'test'] as const) {
    const source = sources[split];
    if (source === undefined) continue;
    facts.splits[split] = {
      fingerprint: await source.fingerprint(reading),
      badRows: [...badRows].filter((place) => source.files.includes(place.slice(0, place.lastIndexOf(':')))),
    };
  }
  await writeStoredRows(run.folder, Object.fromEntries(splits.map(([split, rows]) => [split, rows.collector])), facts);
}
