import { tryLogistic } from './baseline/logistic.js';
import type { LoadedConfig } from './config/load.js';
import { joinStates, NO_COUNTERS, splitStates } from './data/counters/counter-start.js';
import { comparedColumns, sketchRows } from './data/batches/row-sketch.js';
import { findLabelLeaks } from './data/info/leak.js';
import { hasDelay } from './data/replay/replayed-dataset.js';
import { rejectPolicy } from './data/rows/rejects.js';
import { dataSection, firstDataState } from './data/sources/data-state.js';
import type { Reading } from './data/sources/source.js';
import { openEncoded } from './data/sources/splits.js';
import { restoreStreams } from './data/sources/source-streams.js';
import { firstStreamState, streamSection } from './data/streams/stream-state.js';
import { withEngine } from './engines/engines.js';
import { createCalibration } from './evaluation/calibration/calibration.js';
import type { Output } from './evaluation/outputs.js';
import { openInputs, type RunInputs } from './inputs/open-inputs.js';
import { restoreBest } from './runs/calibrated-outputs.js';
import { userError } from './core/errors.js';
import { AUTO, readSavedState, type OpenRun } from './runs/open-run.js';
import type { RunState } from './runs/run-state.js';
import { runPath } from './runs/runs-root.js';
import type { StateTensors } from './io/saved-state.js';
import {
  createStepOptions,
  openTrainingCheckpointer,
  runTraining,
  startSession,
  type CompiledModel,
  type FittedData,
  type Progress,
  type Session,
  type TrainOptions,
} from './train/session.js';
import { evaluateBatches, EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';
import type { LoopState } from './training/loop-state.js';
import { trainLoop, type LoopOptions, type StopReason } from './training/loop.js';
import { computeMeasurement, buildStopping } from './training/monitor.js';
import type { TrainObserver, TrainResult } from './training/observer.js';
import { stepRows } from './training/step-plan.js';

export type { TrainOptions } from './train/session.js';

/** Trains a config in a new run, or resumes one. */
export function train(loaded: LoadedConfig, options: TrainOptions, observer: TrainObserver): Promise<TrainResult> {
  return withEngine(options, loaded.experiment.training.precision, async (engine) => {
    // Loaded on demand.
    const run = options.follow === true ? (await import('./train/follow.js')).follow : trainOn;
    return run(startSession(engine, loaded, options, observer));
  });
}

type EncodedData = Awaited<ReturnType<typeof openEncoded>>;
type TrainingData = EncodedData & FittedData & { readonly counters: StateTensors; readonly epochSteps: number };
type EpochSession = Session<RunInputs>;

/** Runs all steps of training in data-flow order. */
async function trainOn(unopened: Omit<EpochSession, 'inputs'>): Promise<TrainResult> {
  const { experiment, options, peers, access } = unopened;
  const { resume = AUTO } = options;
  const saved = resume === AUTO ? undefined : await readSavedState(runPath(resume));
  if (saved !== undefined) refuseStreamed(saved, runPath(resume));
  if (saved !== undefined) await restoreStreams(experiment.data, saved.of(dataSection, firstDataState));
  // Invalid inputs are reported before a run directory is created.
  const inputs = await openInputs(experiment, { ...options, peers, isTaught: true, access });
  const session: EpochSession = { ...unopened, inputs };
  return runTraining(session, {
    openRejects: ({ log }) => rejectPolicy(experiment.data, log.rejectsPath),
    prepare: async ({ folder, log }) => {
      for (const teacher of await inputs.teachers.use(folder, peers)) log.event('teacher', teacher);
    },
    read: (run, policy) => readData(session, run, policy),
    train: (run, data, model, progress) => trainModel(session, run, data, model, progress),
  });
}

/** @throws UserError (usage) if a run was trained on a stream */
function refuseStreamed(saved: RunState, where: string): void {
  if (saved.of(streamSection, firstStreamState).records > 0)
    throw userError('usage', { where, message: 'was trained on a stream', fix: 'add --follow' });
}

/** Fits the encoding on the training set, or takes it from the checkpoint, and opens all sets. */
async function readData(
  { experiment: { data, training }, options, peers, access, inputs, warn }: EpochSession,
  { resumed, state, log }: OpenRun,
  policy: Reading['policy'],
): Promise<TrainingData> {
  const { sources, format, start, counters } = inputs;
  // A resumed run continues from the counters that it started from.
  if (resumed !== undefined) counters?.continueRun({ ...splitStates(resumed.states.counters), ends: [] });
  else if (start.counters !== undefined)
    counters?.warmStart(start.counters(), (text) => (log.event('counters', { text }), warn(text)));
  const sharing = { peers, policy: rejectPolicy(data) };
  const reading = { ...access, policy, sharing, onWarning: warn, threads: options.threads, isReplayed: true };
  const datasets = await openEncoded(
    sources,
    format,
    resumed?.fitted ?? start.grow(await sources.train.fit(format, reading)),
    reading,
    start.keepScales(state.of(dataSection, firstDataState)),
  );
  // A replay trains on samples of rows, whose labels are those of some time.
  if (!hasDelay(inputs.tasks))
    state.of(dataSection, firstDataState).trainedRows ??= await sketchRows(
      datasets.train,
      comparedColumns(datasets.encoded, Object.keys(data.counters?.count ?? {})),
      access.signal,
    );
  return {
    ...datasets,
    counters: joinStates((await counters?.states(reading)) ?? NO_COUNTERS),
    epochSteps: Math.ceil(datasets.train.rows / stepRows(training)),
    close: () => datasets.train.close(),
  };
}

/** Trains, saves, measures the best weights into `progress.metrics`, and trains the baseline. */
async function trainModel(
  session: EpochSession,
  run: OpenRun,
  data: TrainingData,
  model: CompiledModel,
  progress: Progress,
): Promise<StopReason> {
  const { experiment, inputs, observer, warn } = session;
  const { training, calibration: section } = experiment;
  const { outputs } = inputs.measured;
  const { loop, sanityChecks } = progress;
  const { train: trainSet, valid: validSet, test: testSet, encoded, counters } = data;
  const loopOptions = createLoopOptions(session, run, data, model, loop);
  const calibration = createCalibration({ section, outputs, stateOf: run.state.of }, warn);
  const measure = createMeasure(session, model);

  const checkpointer = await openTrainingCheckpointer(session, run, model, loop, () => ({
    fitted: encoded.fitted,
    lookups: encoded.spec.lookups ?? new Map(),
    states: { counters },
  }));
  progress.checkpointer = checkpointer;
  await run.begin({ unknown: data.unknown });
  const end = await trainLoop({
    ...loopOptions,
    validate:
      validSet &&
      (async () => computeMeasurement(calibration.fitted(await measure(validSet), loop.step), training.monitor)),
    beforeStep: (step) => checkpointer.beforeStep(step),
    onValidation: async (milestone) => {
      await run.log.milestone(milestone);
      // Before the save: a resumed run goes on after it, so a worker that was killed would not report the epoch.
      await observer.onValidation(milestone);
      await checkpointer.atMilestone(milestone);
      sanityChecks.milestone(milestone);
    },
  });
  await checkpointer.now();
  progress.checkpointer = undefined;

  // The program already has the newest weights; reading them again could cost as much memory as the model.
  const bestOutputs =
    loop.bestStep === loop.step ? calibration.calibrated() : await restoreBest(run.folder, model.program, outputs);
  const valid = validSet && section && (await measure(validSet, bestOutputs));
  const test = testSet && (await measure(testSet, bestOutputs));
  // Before the results, which mark the run as completed, because a signal interrupts the training of the baseline.
  progress.baseline = await trainBaseline(session, data);
  Object.assign(progress.metrics, await run.log.results(loop, { valid, test }));
  await sanityChecks.results(progress.metrics, () => findLabelLeaks(data.encoded, trainSet, (testSet ?? validSet)!));
  return end;
}

/** Trains the baseline on rank 0, which reads all rows as each rank does, or takes the baseline of another trial. */
async function trainBaseline(session: EpochSession, data: EncodedData): Promise<TrainResult['baseline']> {
  const { experiment, options, peers, signal, inputs, access, warn } = session;
  const { encoded, facts, train, valid, test } = data;
  const rows = test ?? valid;
  if (options.baseline === false || rows === undefined) return undefined;
  const { threads, portable, baselines } = options;
  const negativeRate = experiment.data.negativeSampling?.rate;
  const { tasks, measured, sources } = inputs;
  const split = test === undefined ? 'valid' : 'test';
  const readFacts = async (): Promise<object> => {
    const { features, evaluation } = experiment;
    const prints = [await sources.train.fingerprint(access), await sources[split]!.fingerprint(access)];
    return { split, prints, data: { ...experiment.data, cache: undefined }, features, tasks, evaluation };
  };
  const shared = baselines && { baselines, readFacts };
  const trained = { tasks, measured, facts, negativeRate, seed: experiment.seed, fields: encoded.fields };
  const engine = { device: 'cpu', threads, portable } as const;
  const own =
    peers.rank === 0
      ? await tryLogistic({ ...trained, ...engine, train, rows, split, signal, shared }, warn)
      : undefined;
  const [first] = peers.allGatherStrings(JSON.stringify(own ?? null));
  return (JSON.parse(first!) as TrainResult['baseline'] | null) ?? undefined;
}

function createLoopOptions(
  session: EpochSession,
  run: OpenRun,
  { train: trainSet, epochSteps }: TrainingData,
  model: CompiledModel,
  loop: LoopState,
): Omit<LoopOptions, 'validate' | 'beforeStep' | 'onValidation'> {
  const { training, seed } = session.experiment;
  const trainingLength = { steps: training.epochs * epochSteps, stepsPerEpoch: epochSteps };
  return {
    ...training,
    ...createStepOptions(session, run, model, loop, trainingLength),
    signal: session.signal,
    stopping: buildStopping(training, loop, session.inputs.measured.goals),
    batches: (epoch, skipBatches) =>
      trainSet.batches(
        stepRows(training),
        training.shuffle ? { seed, epoch, window: training.shuffleWindow } : undefined,
        { skipBatches },
      ),
  };
}

/** Returns a function that evaluates the program on a data set, with the model's outputs or calibrated ones. */
function createMeasure(
  { inputs, signal }: EpochSession,
  { graph, program }: CompiledModel,
): (rows: EncodedData['train'], outputs?: readonly Output[]) => ReturnType<typeof evaluateBatches> {
  const { outputs: modelOutputs, measuring } = inputs.measured;
  return (rows, outputs = modelOutputs) =>
    evaluateBatches(
      program,
      rows.batches(EVALUATION_BATCH_ROWS),
      { outputs, measuring, keyTexts: rows.keyTexts, terms: graph.terms },
      signal,
    );
}
