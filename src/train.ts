import { tryLogistic } from './baseline/logistic.js';
import { dumpConfig } from './config/dump.js';
import type { Experiment } from './config/experiment.js';
import type { LoadedConfig } from './config/load.js';
import { createComparison } from './config/stored.js';
import { joinStates, NO_COUNTERS, splitStates } from './data/counters/counter-start.js';
import { findLabelLeaks } from './data/info/leak.js';
import { rejectPolicy, type RejectPolicy } from './data/rows/rejects.js';
import { dataSection, firstDataState } from './data/sources/data-state.js';
import type { Access } from './data/sources/source.js';
import { openEncoded } from './data/sources/splits.js';
import { restoreStreams } from './data/sources/streams.js';
import { engineLine, readState, type Engine, type Program } from './engines/engine.js';
import { withEngine, type EngineOptions } from './engines/engines.js';
import { planSize } from './engines/plan-size.js';
import { createCalibration } from './evaluation/calibration/calibration.js';
import type { Output } from './evaluation/outputs.js';
import { vocabularyBytes } from './features/feature-types.js';
import type { Graph } from './graph/graph.js';
import { buildGraph, openInputs, type RunInputs } from './inputs/open-inputs.js';
import { restoreBest } from './runs/calibrated-outputs.js';
import { SINGLE_PROCESS, type ProcessGroup } from './core/process-group.js';
import { describeLoadedRows, loadPretrained } from './pretrained/load-pretrained.js';
import { readPretrained, type Pretrained } from './pretrained/read-vectors.js';
import { openDistributedRun, type RunRequest } from './runs/open-distributed-run.js';
import { AUTO, readSavedState, type OpenRun } from './runs/open-run.js';
import { runPath } from './runs/runs-root.js';
import { createRowJournal, type RowJournal } from './tables/row-journal.js';
import type { Checkpoint } from './runs/checkpoint.js';
import { openCheckpointer, type Checkpointer } from './runs/checkpointer.js';
import { evaluateBatches, EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';
import { createDiagnosisObserver } from './training/diagnostics.js';
import { isDivergence } from './training/divergence.js';
import { firstLoopState, loopSection, type LoopState } from './training/loop-state.js';
import { trainLoop, type LoopOptions, type StopReason } from './training/loop.js';
import { computeMeasurement, buildStopping } from './training/monitor.js';
import { createSanityChecks, type SanityChecks } from './training/sanity-checks.js';
import type { TrainObserver, TrainResult } from './training/observer.js';
import { buildStepPlan, stepRows } from './training/step-plan.js';
import { createTrainStep } from './training/train-step.js';

/** Command-line options of `train`, in addition to the config. */
export type TrainOptions = EngineOptions &
  Pick<Access, 'verifyData'> &
  Pick<RunRequest, 'name' | 'runDir' | 'resume' | 'overrides'> &
  Pick<LoopOptions, 'signal'> & {
    /** Whether to train a logistic baseline next to the run. Default: true; never with several processes. */
    readonly baseline?: boolean | undefined;
  };

/** Trains a config in a new run, or resumes one. */
export function train(loaded: LoadedConfig, options: TrainOptions, observer: TrainObserver): Promise<TrainResult> {
  return withEngine(options, loaded.experiment.training.precision, (engine) =>
    trainOn(engine, loaded, options, observer),
  );
}

/** What all steps of a training share. */
interface Session {
  readonly engine: Engine;
  readonly experiment: Experiment;
  /** The resolved config, YAML. */
  readonly config: string;
  readonly options: TrainOptions;
  readonly peers: ProcessGroup;
  readonly signal: AbortSignal;
  readonly observer: TrainObserver;
  /** How the data is read. */
  readonly access: Access;
  readonly inputs: RunInputs;
  warn(text: string): void;
}

/** What a training has reached; also describes a run that is interrupted or fails. */
interface Progress {
  readonly loop: LoopState;
  readonly policy: RejectPolicy;
  readonly sanityChecks: SanityChecks;
  readonly metrics: Record<string, TrainResult['metrics'][string]>;
  baseline: TrainResult['baseline'];
  /** Defined while there may be unsaved steps. */
  checkpointer: Checkpointer | undefined;
  /** Frees the data and the program. */
  dispose: (() => Promise<void>) | undefined;
}

type EncodedData = Awaited<ReturnType<typeof openEncoded>>;
type TrainingData = EncodedData & Pick<Checkpoint, 'counters'>;

/** A compiled model. */
interface CompiledModel {
  readonly graph: Graph;
  readonly program: Program;
  readonly epochSteps: number;
  readonly journal: RowJournal | undefined;
}

/** Runs all steps of training in data-flow order. */
async function trainOn(
  engine: Engine,
  { experiment, source }: LoadedConfig,
  { peers = SINGLE_PROCESS, ...options }: TrainOptions,
  observer: TrainObserver,
): Promise<TrainResult> {
  const signal = peers.synchronizeSignal(options.signal);
  const { resume = AUTO } = options;
  const saved = resume === AUTO ? undefined : await readSavedState(runPath(resume));
  if (saved !== undefined) await restoreStreams(experiment.data, saved.of(dataSection, firstDataState));
  // Invalid inputs are reported before a run directory is created.
  const warn = (text: string): void => observer.onWarning(text);
  const access: Access = {
    cache: { folder: experiment.data.cache, onWarning: warn },
    verifyData: options.verifyData,
    onProgress: (progress) => observer.onRead(progress),
    signal: options.signal,
  };
  const inputs = await openInputs(experiment, { ...options, peers, isTaught: true, access });
  const config = dumpConfig(experiment);
  const session: Session = { engine, experiment, config, options, peers, signal, observer, access, inputs, warn };
  const run = await openTrainingRun(session, source);
  const progress = startProgress(session, run);
  try {
    for (const teacher of await inputs.teachers.use(run.folder, peers)) run.log.event('teacher', teacher);
    const { fields } = inputs.format;
    const pretrained =
      run.resumed === undefined ? await peers.runCollectively(() => readPretrained(fields)) : undefined;
    const data = await readData(session, run, progress.policy);
    const model = compileModel(session, run, data);
    progress.dispose = () => data.train.close().finally(() => model.program.dispose());
    if (pretrained === undefined) run.resumed!.restore(model.program);
    else initialize(session, run, data, model, pretrained);
    const end = await trainModel(session, run, data, model, progress);
    progress.baseline = await trainBaseline(session, data);
    return await finishRun(session, run, progress, end);
  } catch (error) {
    return await endFailedRun(session, run, progress, error);
  } finally {
    await progress.dispose?.();
    await run.release();
  }
}

function openTrainingRun(
  { engine, experiment, config, options, peers, inputs, warn }: Session,
  source: string,
): Promise<OpenRun> {
  return openDistributedRun(
    {
      ...options,
      configName: experiment.name,
      runs: experiment.runs,
      track: experiment.loggers,
      source,
      config,
      values: experiment,
      engine,
      compareConfig: createComparison(experiment),
      resolveOrigin: inputs.start.resolveOrigin,
    },
    peers,
    warn,
  );
}

function startProgress({ experiment: { data, training }, inputs, warn }: Session, { log, state }: OpenRun): Progress {
  return {
    policy: rejectPolicy(data, log.rejectsPath),
    loop: state.of(loopSection, firstLoopState),
    sanityChecks: createSanityChecks(inputs.tasks, training, (text) => (log.event('warning', { text }), warn(text))),
    metrics: {},
    baseline: undefined,
    checkpointer: undefined,
    dispose: undefined,
  };
}

/** Fits the encoding on the training set, or takes it from the checkpoint, and opens all sets. */
async function readData(
  { experiment: { data }, options, peers, access, inputs, warn }: Session,
  { resumed, state, log }: OpenRun,
  policy: RejectPolicy,
): Promise<TrainingData> {
  const { sources, format, start, counters } = inputs;
  // A resumed run continues from the counters that it started from.
  if (resumed !== undefined) counters?.continueRun({ ...splitStates(resumed.counters), ends: [] });
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
  return { ...datasets, counters: joinStates((await counters?.states(reading)) ?? NO_COUNTERS) };
}

/** Builds and compiles the model, and announces the start of the run. */
function compileModel(
  { engine, experiment, peers, observer, inputs, warn }: Session,
  { folder, log }: OpenRun,
  { encoded, train: trainSet, facts }: EncodedData,
): CompiledModel {
  const { model, training, seed, checkpoints } = experiment;
  const { layout, graph } = buildGraph(experiment, inputs.tasks, encoded.fields, facts);
  const plan = { graph, layout, seed, peers, ...buildStepPlan(training) };
  const epochSteps = Math.ceil(trainSet.rows / stepRows(training));
  const startInfo = {
    run: folder,
    model: model.name,
    engine: engineLine(engine),
    epochs: training.epochs,
    epochSteps,
    monitor: training.monitor,
    learningRate: training.optimizer.dense.learningRate,
    ...planSize(plan, engine, vocabularyBytes(encoded.fields)),
  };
  observer.onStart(startInfo);
  log.event('start', startInfo);
  const program = engine.compile(plan, warn);
  return { graph, program, epochSteps, journal: checkpoints.delta && createRowJournal(layout) };
}

/** Writes the pretrained vectors and the weights of a warm start, which take precedence, to a new model. */
function initialize(
  { peers, inputs, warn }: Session,
  { log }: OpenRun,
  { encoded }: EncodedData,
  { program }: CompiledModel,
  pretrained: Pretrained,
): void {
  for (const loaded of loadPretrained(program, encoded.fields, pretrained, peers)) {
    log.event('pretrained', loaded);
    warn(describeLoadedRows(loaded));
  }
  inputs.start.begin(program, log, warn);
}

/** Trains, saves, and measures the best weights into `progress.metrics`. */
async function trainModel(
  session: Session,
  run: OpenRun,
  data: TrainingData,
  model: CompiledModel,
  progress: Progress,
): Promise<StopReason> {
  const { experiment, inputs, observer, warn } = session;
  const { training, calibration: section } = experiment;
  const { outputs } = inputs.measured;
  const { loop, sanityChecks } = progress;
  const { train: trainSet, valid: validSet, test: testSet } = data;
  const loopOptions = createLoopOptions(session, run, data, model, loop);
  const calibration = createCalibration({ section, outputs, stateOf: run.state.of }, warn);
  const measure = createMeasure(session, model);

  const checkpointer = await openTrainingCheckpointer(session, run, data, model, loop);
  progress.checkpointer = checkpointer;
  await run.begin({ unknown: data.unknown });
  const end = await trainLoop({
    ...loopOptions,
    validate:
      validSet &&
      (async () => computeMeasurement(calibration.fitted(await measure(validSet), loop.step), training.monitor)),
    beforeStep: (step) => checkpointer.beforeStep(step),
    onMilestone: async (milestone) => {
      await run.log.milestone(milestone);
      await checkpointer.atMilestone(milestone);
      await observer.onMilestone(milestone);
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
  Object.assign(progress.metrics, await run.log.results(loop, { valid, test }));
  await sanityChecks.results(progress.metrics, () => findLabelLeaks(data.encoded, trainSet, (testSet ?? validSet)!));
  return end;
}

function trainBaseline(
  { experiment, options, peers, signal, inputs, warn }: Session,
  { encoded, facts, train, valid, test }: EncodedData,
): Promise<TrainResult['baseline']> {
  const rows = test ?? valid;
  if (options.baseline === false || peers.size > 1 || rows === undefined) return Promise.resolve(undefined);
  const { threads, portable } = options;
  const negativeRate = experiment.data.negativeSampling?.rate;
  const { tasks, measured } = inputs;
  const split = test === undefined ? 'valid' : 'test';
  const trained = { tasks, measured, facts, negativeRate, seed: experiment.seed, fields: encoded.fields };
  return tryLogistic({ ...trained, train, rows, split, device: 'cpu', threads, portable, signal }, warn);
}

function createLoopOptions(
  { experiment: { training, seed }, observer, signal, warn, inputs }: Session,
  { log, state }: OpenRun,
  { train: trainSet }: EncodedData,
  { graph, program, epochSteps, journal }: CompiledModel,
  loop: LoopState,
): Omit<LoopOptions, 'validate' | 'beforeStep' | 'onMilestone'> {
  return {
    ...training,
    program,
    stepper: createTrainStep({
      program,
      training,
      seed,
      trainingLength: { steps: training.epochs * epochSteps, stepsPerEpoch: epochSteps },
      terms: graph.terms,
      stateOf: state.of,
      onBatch: (batch) => journal?.mark(batch),
    }),
    signal,
    state: loop,
    terms: graph.terms,
    stopping: buildStopping(training, loop, inputs.measured.goals),
    batches: (epoch, skipBatches) =>
      trainSet.batches(
        stepRows(training),
        training.shuffle ? { seed, epoch, window: training.shuffleWindow } : undefined,
        { skipBatches },
      ),
    onStep: (step) => observer.onStep(step),
    onSteps: (report) => log.steps(report),
    onSkip: (skipped) => log.event('skip', skipped),
    onDiagnosis: createDiagnosisObserver(graph, (report) => log.diagnosis(report), warn),
  };
}

/** Returns a function that evaluates the program on a data set, with the model's outputs or calibrated ones. */
function createMeasure(
  { inputs, signal }: Session,
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

function openTrainingCheckpointer(
  { experiment: { checkpoints }, config, peers, inputs, warn }: Session,
  run: OpenRun,
  { encoded, counters }: TrainingData,
  { program, journal }: CompiledModel,
  loop: LoopState,
): Promise<Checkpointer> {
  return openCheckpointer(
    {
      ...checkpoints,
      run,
      peers,
      loop,
      goals: inputs.measured.goals,
      journal,
      snapshot: async () => ({
        program: await readState(program),
        sections: run.state.sections(),
        fitted: encoded.fitted,
        config,
        counters,
        lookups: encoded.spec.lookups ?? new Map(),
      }),
    },
    warn,
  );
}

function finishRun(
  { experiment: { name, model, seed, training } }: Session,
  { log }: OpenRun,
  { policy, loop, metrics, baseline }: Progress,
  end: TrainResult['end'],
): Promise<TrainResult> {
  const { monitor } = training;
  return log.end({ end, name, model: model.name, seed, monitor, metrics, baseline, rejectedRows: policy.count }, loop);
}

/** Saves an interrupted or diverged run; returns the result of an interrupted one and rethrows any other error. */
async function endFailedRun(session: Session, run: OpenRun, progress: Progress, error: unknown): Promise<TrainResult> {
  const { signal } = session;
  const isInterrupted = signal.aborted && error === signal.reason;
  const errors = isInterrupted ? [] : [error];
  if (isInterrupted || isDivergence(error))
    await progress.checkpointer?.now().catch((unsaved: unknown) => errors.push(unsaved));
  if (errors.length === 0) return finishRun(session, run, progress, 'interrupted');
  for (const each of errors) run.log.failure(each);
  throw errors[0];
}
