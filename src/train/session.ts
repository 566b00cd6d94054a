import type { SharedBaselines } from '../baseline/shared-baselines.js';
import type { Experiment } from '../config/experiment.js';
import { dumpConfig } from '../config/dump.js';
import type { LoadedConfig } from '../config/load.js';
import { createComparison } from '../config/stored.js';
import type { RejectPolicy } from '../data/rows/rejects.js';
import type { EncodedFormat } from '../data/rows/row-format.js';
import type { Access } from '../data/sources/source.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import type { LabelFacts } from '../core/tasks.js';
import { engineLine, readState, type Engine, type Program } from '../engines/engine.js';
import type { EngineOptions } from '../engines/engines.js';
import { planSize } from '../engines/plan-size.js';
import type { GrowingVocabularies } from '../features/growing-vocabularies.js';
import { vocabularyBytes, type Fitted } from '../features/feature-types.js';
import type { Graph } from '../graph/graph.js';
import { buildGraph, type Inputs } from '../inputs/open-inputs.js';
import { describeLoadedRows, loadPretrained } from '../pretrained/load-pretrained.js';
import { readPretrained, type Pretrained } from '../pretrained/read-vectors.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import {
  openCheckpointer,
  type Checkpointer,
  type CheckpointerOptions,
  type CheckpointSchedule,
} from '../runs/checkpointer.js';
import { openDistributedRun, type RunRequest } from '../runs/open-distributed-run.js';
import type { OpenRun } from '../runs/open-run.js';
import { createRowJournal, type RowJournal } from '../tables/row-journal.js';
import { createDiagnosisObserver } from '../training/diagnostics.js';
import { isDivergence } from '../training/divergence.js';
import { firstLoopState, loopSection, type LoopState } from '../training/loop-state.js';
import type { StopReason } from '../training/loop.js';
import type { TrainObserver, TrainResult } from '../training/observer.js';
import { createSanityChecks, type SanityChecks } from '../training/sanity-checks.js';
import { buildStepPlan } from '../training/step-plan.js';
import type { StepOptions } from '../training/steps-in-flight.js';
import { createTrainStep, type TrainStepOptions } from '../training/train-step.js';

// The steps that trainings over epochs and on a stream share.

/** Command-line options of `train`, in addition to the config. */
export type TrainOptions = EngineOptions &
  Pick<Access, 'verifyData'> &
  Pick<RunRequest, 'name' | 'runDir' | 'resume' | 'overrides'> & {
    /** Whether to train a logistic baseline next to the run. Default: true; never on a stream. */
    readonly baseline?: boolean | undefined;
    /** Where the baseline is shared with other runs. Default: it is not. */
    readonly baselines?: SharedBaselines | undefined;
    /** Whether `data.train` is a stream, which is trained on in its order. Default: false. */
    readonly follow?: boolean | undefined;
    /** Whether a training on a stream ends when the source has no more records. Default: it waits for more. */
    readonly untilEnd?: boolean | undefined;
    /** Ends the run after the steps in flight, so that it can be saved. */
    readonly signal: AbortSignal;
  };

/** What all steps of a training share. */
export interface Session<Opened extends Inputs = Inputs> {
  readonly engine: Engine;
  readonly experiment: Experiment & { readonly checkpoints: CheckpointSchedule };
  /** The text of the config, and the resolved one, YAML. */
  readonly source: string;
  readonly config: string;
  readonly options: TrainOptions;
  readonly peers: ProcessGroup;
  readonly signal: AbortSignal;
  readonly observer: TrainObserver;
  /** How the data is read. */
  readonly access: Access;
  readonly inputs: Opened;
  warn(text: string): void;
}

/** Invalid rows that were skipped. */
type Rejects = Pick<RejectPolicy, 'count'>;

/** What a training has reached; also describes a run that is interrupted or fails. */
export interface Progress {
  readonly loop: LoopState;
  readonly rejects: Rejects;
  readonly sanityChecks: SanityChecks;
  readonly metrics: Record<string, TrainResult['metrics'][string]>;
  baseline: TrainResult['baseline'];
  /** Defined while there may be unsaved steps. */
  checkpointer: Checkpointer | undefined;
  /** Frees the data and the program. */
  dispose: (() => Promise<void>) | undefined;
}

/** Encoders, and label statistics of the training set. */
export interface FittedData {
  readonly encoded: EncodedFormat;
  readonly facts: LabelFacts;
  /** Vocabularies that grow on a stream. */
  readonly vocabularies?: GrowingVocabularies;
  /** Steps per epoch; absent on a stream. */
  readonly epochSteps?: number;
  /** Ends the threads that read the data, if there are any. */
  close?(): Promise<void>;
}

/** How a training reads its data, files or a stream, and trains on it. */
export interface Training<Data extends FittedData, Skipped extends Rejects> {
  /** Starts to count invalid rows. */
  openRejects(run: OpenRun): Skipped;
  /** Called first in a run. */
  prepare?(run: OpenRun): Promise<void>;
  /** Fits the encoding, or takes it from the checkpoint. */
  read(run: OpenRun, rejects: Skipped): Promise<Data>;
  /** Trains and saves from the restored position on. */
  train(run: OpenRun, data: Data, model: CompiledModel, progress: Progress): Promise<StopReason>;
}

/** Starts a training before its data is opened. */
export function startSession(
  engine: Engine,
  { experiment, source }: LoadedConfig,
  { peers = SINGLE_PROCESS, ...options }: TrainOptions,
  observer: TrainObserver,
): Omit<Session, 'inputs'> {
  const warn = (text: string): void => observer.onWarning(text);
  const access: Access = {
    cache: { folder: experiment.data.cache, onWarning: warn },
    verifyData: options.verifyData,
    onProgress: (progress) => observer.onRead(progress),
    signal: options.signal,
  };
  const config = dumpConfig(experiment);
  const signal = peers.synchronizeSignal(options.signal);
  return { engine, experiment, source, config, options, peers, signal, observer, access, warn };
}

/** Runs all steps of a training in data-flow order, in a new run directory or the one to resume. */
export async function runTraining<Data extends FittedData, Skipped extends Rejects>(
  session: Session,
  training: Training<Data, Skipped>,
): Promise<TrainResult> {
  const { inputs, peers } = session;
  const run = await openTrainingRun(session);
  const rejects = training.openRejects(run);
  const progress = startProgress(session, run, rejects);
  try {
    await training.prepare?.(run);
    const { fields } = inputs.format;
    const pretrained =
      run.resumed === undefined ? await peers.runCollectively(() => readPretrained(fields)) : undefined;
    const data = await training.read(run, rejects);
    const model = compileModel(session, run, data);
    progress.dispose = () => Promise.resolve(data.close?.()).finally(() => model.program.dispose());
    if (pretrained === undefined) run.resumed!.restore(model.program);
    else initialize(session, run, data, model, pretrained);
    const end = await training.train(run, data, model, progress);
    return await finishRun(session, run, progress, end);
  } catch (error) {
    return await endFailedRun(session, run, progress, error);
  } finally {
    await progress.dispose?.();
    await run.release();
  }
}

export interface CompiledModel {
  readonly graph: Graph;
  readonly program: Program;
  readonly journal: RowJournal | undefined;
}

/** Creates the run directory or opens the one to resume. */
function openTrainingRun({
  engine,
  experiment,
  source,
  config,
  options,
  peers,
  inputs,
  warn,
}: Session): Promise<OpenRun> {
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

/** Returns what a run has reached when it begins or resumes. */
function startProgress(
  { experiment: { training }, inputs, warn }: Session,
  { log, state }: OpenRun,
  rejects: Rejects,
): Progress {
  return {
    rejects,
    loop: state.of(loopSection, firstLoopState),
    sanityChecks: createSanityChecks(inputs.tasks, training, (text) => (log.event('warning', { text }), warn(text))),
    metrics: {},
    baseline: undefined,
    checkpointer: undefined,
    dispose: undefined,
  };
}

/** Builds and compiles the model, and announces the start of the run. */
function compileModel(
  { engine, experiment, peers, observer, inputs, warn }: Session,
  { folder, log, resumed }: OpenRun,
  { encoded, facts, vocabularies, epochSteps }: FittedData,
): CompiledModel {
  const { model, training, seed, checkpoints } = experiment;
  const { layout, graph } = buildGraph(experiment, inputs.tasks, encoded.fields, facts);
  const isRestored = resumed !== undefined;
  const plan = { graph, layout, seed, peers, isRestored, ...buildStepPlan(training) };
  const startInfo = {
    run: folder,
    model: model.name,
    engine: engineLine(engine),
    ...(epochSteps !== undefined && { epochs: training.epochs, epochSteps }),
    monitor: training.monitor,
    learningRate: training.optimizer.dense.learningRate,
    ...planSize(plan, engine, vocabularyBytes(encoded.fields) + (vocabularies?.byteLength ?? 0)),
  };
  observer.onStart(startInfo);
  log.event('start', startInfo);
  const program = engine.compile(plan, warn);
  return { graph, program, journal: checkpoints.delta && createRowJournal(layout) };
}

/** Writes the pretrained vectors and the weights of a warm start, which take precedence, to a new model. */
function initialize(
  { peers, inputs, warn }: Session,
  { log }: OpenRun,
  { encoded }: FittedData,
  { program }: CompiledModel,
  pretrained: Pretrained,
): void {
  for (const loaded of loadPretrained(program, encoded.fields, pretrained, peers)) {
    log.event('pretrained', loaded);
    warn(describeLoadedRows(loaded));
  }
  inputs.start.begin(program, log, warn);
}

/** Creates the steps of a training. */
export function createStepOptions(
  { experiment: { training, seed }, observer, warn }: Session,
  { log, state }: OpenRun,
  { graph, program, journal }: CompiledModel,
  loop: LoopState,
  trainingLength: TrainStepOptions['trainingLength'],
): StepOptions {
  return {
    ...training,
    program,
    stepper: createTrainStep({
      program,
      training,
      seed,
      trainingLength,
      terms: graph.terms,
      stateOf: state.of,
      onBatch: (batch) => journal?.mark(batch),
    }),
    state: loop,
    terms: graph.terms,
    onStep: (step) => observer.onStep(step),
    onSteps: (report) => log.steps(report),
    onSkip: (skipped) => log.event('skip', skipped),
    onDiagnosis: createDiagnosisObserver(graph, (report) => log.diagnosis(report), warn),
  };
}

/** Opens the checkpointer of a run; `checkpoint` returns what a checkpoint has beside the program and the sections. */
export function openTrainingCheckpointer(
  { experiment, config, peers, inputs, warn }: Session,
  run: OpenRun,
  { program, journal }: CompiledModel,
  loop: LoopState,
  checkpoint: () => Pick<Checkpoint, 'fitted' | 'lookups' | 'states'>,
  states?: CheckpointerOptions['states'],
): Promise<Checkpointer> {
  return openCheckpointer(
    {
      ...experiment.checkpoints,
      states,
      run,
      peers,
      loop,
      goals: inputs.measured.goals,
      journal,
      snapshot: async () => {
        const own = checkpoint();
        let fitted: Fitted | undefined;
        let states: Checkpoint['states'] | undefined;
        return {
          program: await readState(program),
          sections: run.state.sections(),
          config,
          lookups: own.lookups,
          // Read by full checkpoints alone: storing them takes time for each token of a vocabulary that grows,
          get fitted() {
            return (fitted ??= own.fitted);
          },
          // and for each event of counters, windows and histories.
          get states() {
            return (states ??= own.states);
          },
        };
      },
    },
    warn,
  );
}

/** Ends a run that did not fail. */
function finishRun(
  { experiment: { name, model, seed, training } }: Session,
  { log }: OpenRun,
  { rejects, loop, metrics, baseline }: Progress,
  end: TrainResult['end'],
): Promise<TrainResult> {
  const { monitor } = training;
  return log.end({ end, name, model: model.name, seed, monitor, metrics, baseline, rejectedRows: rejects.count }, loop);
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
