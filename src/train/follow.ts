import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import type { LoadedConfig } from '../config/load.js';
import type { Batch } from '../core/batch.js';
import { SINGLE_PROCESS } from '../core/process-group.js';
import { userError } from '../core/errors.js';
import { NO_COUNTERS, joinStates } from '../data/counters/counter-start.js';
import { labelFacts, labelScales } from '../data/batches/label-facts.js';
import { startFits } from '../data/encoding/fit-readers.js';
import { followOptions, type FollowOptions } from '../data/follow-options.js';
import { firstSampleFormat, onFirstSamples } from '../data/replay/numbered-samples.js';
import { encodedFormat } from '../data/rows/row-format.js';
import { dataSection, firstDataState, rememberTables } from '../data/sources/data-state.js';
import type { Access } from '../data/sources/source.js';
import { fitHead } from '../data/streams/fit-head.js';
import { FollowedStream } from '../data/streams/followed-stream.js';
import {
  firstStreamState,
  startWindow,
  storedSums,
  streamSection,
  windowCounts,
  type StreamState,
} from '../data/streams/stream-state.js';
import type { Engine } from '../engines/engine.js';
import type { Fitted } from '../features/feature-types.js';
import { GrowingVocabularies, growthSection, type GrowthState } from '../features/growing-vocabularies.js';
import type { LabelFacts } from '../core/tasks.js';
import { openStreamInputs, type StreamInputs } from '../inputs/open-stream-inputs.js';
import { cutFile, onDisk } from '../io/disk.js';
import { readPretrained } from '../pretrained/read-vectors.js';
import type { CheckpointOptions } from '../runs/options.js';
import type { OpenRun } from '../runs/open-run.js';
import { REJECTS } from '../runs/run-log.js';
import type { TrainObserver, TrainResult } from '../training/observer.js';
import {
  firstProgressiveState,
  ProgressiveValidation,
  progressiveSection,
  type WindowReport,
} from '../training/progressive.js';
import { stepRows } from '../training/step-plan.js';
import { trainStream } from '../training/stream-loop.js';
import { checkFollowed, checkSingle, listUnused } from './check-followed.js';
import {
  compileModel,
  createStepOptions,
  endFailedRun,
  finishRun,
  initialize,
  openTrainingCheckpointer,
  openTrainingRun,
  startProgress,
  type CompiledModel,
  type FittedData,
  type Progress,
  type Session,
  type TrainOptions,
} from './session.js';

/** Minutes between checkpoints if a config sets no interval: a stream has no epochs. */
const SAVE_EVERY_MINUTES = 5;

type StreamData = FittedData & Required<Pick<FittedData, 'vocabularies'>>;
type StreamSession = Session<StreamInputs> & { readonly follow: FollowOptions };

/** Trains on a stream in data-flow order, from the position of the run on. */
export async function follow(
  engine: Engine,
  { experiment, source }: LoadedConfig,
  { peers = SINGLE_PROCESS, ...options }: TrainOptions,
  observer: TrainObserver,
): Promise<TrainResult> {
  checkSingle(peers.size);
  checkFollowed(experiment);
  const { signal } = options;
  const warn = (text: string): void => observer.onWarning(text);
  const settings = experiment.data.follow ?? followOptions.parse({});
  const access: Access = { cache: { folder: experiment.data.cache, onWarning: warn }, signal };
  const inputs = await openStreamInputs(experiment, settings, access);
  const unused = listUnused(experiment);
  if (unused.length > 0) warn(`--follow does not use ${unused.join(', ')}: each record is predicted before training`);
  const config = dumpConfig(experiment);
  const shared = { engine, experiment, config, options, peers, signal, observer, access, warn };
  const session: StreamSession = { ...shared, inputs, follow: settings };
  try {
    return await trainRun(session, await openTrainingRun(session, source));
  } finally {
    await inputs.stream.close();
  }
}

async function trainRun(session: StreamSession, run: OpenRun): Promise<TrainResult> {
  const state = run.state.of(streamSection, () => startStream(run));
  const rejects = {
    get count() {
      return state.rejected;
    },
  };
  const progress = startProgress(session, run, rejects);
  try {
    const pretrained = run.resumed === undefined ? await readPretrained(session.inputs.format.fields) : undefined;
    const data = await readHead(session, run, state);
    const model = compileModel(session, run, data);
    progress.dispose = () => Promise.resolve(model.program.dispose());
    if (pretrained === undefined) run.resumed!.restore(model.program);
    else initialize(session, run, data, model, pretrained);
    await keepRejects(run, state);
    await trainModel(session, run, data, model, progress, state);
    return await finishRun(session, run, progress, 'finished');
  } catch (error) {
    return await endFailedRun(session, run, progress, error);
  } finally {
    await progress.dispose?.();
    await run.release();
  }
}

/** @throws UserError (usage) if the run was trained on epochs */
function startStream({ folder, resumed }: OpenRun): StreamState {
  if (resumed === undefined) return firstStreamState();
  throw userError('usage', {
    where: folder,
    message: 'was not trained on a stream, so it has no position in one',
    fix: `resume it without --follow, or start a new run with --follow --init-from ${folder}`,
  });
}

/** Takes what is fitted from the checkpoint or the run to start from, or fits it on the first records. */
async function readHead(
  session: StreamSession,
  { resumed, state: runState }: OpenRun,
  state: StreamState,
): Promise<StreamData> {
  const { follow: settings, inputs, options, observer, signal, warn } = session;
  const { fitRows } = settings;
  const { stream, format, start, tasks } = inputs;
  const data = start.keepScales(runState.of(dataSection, firstDataState));
  rememberTables(data, 'lookups', format.spec.lookups ?? new Map());
  rememberTables(data, 'sequences', format.spec.logs ?? new Map());
  const learned = data.labelScales ?? {};
  if (resumed !== undefined) {
    const facts = { sums: new Map(Object.entries(state.sums)), scales: labelScales(tasks, learned) };
    return startGrowth(session, resumed.fitted, facts);
  }
  const names = [...startFits(format).keys()];
  const before = start.fitted?.() ?? {};
  const known = Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(before, name) ? [[name, before[name]]] : [])),
  );
  const isKnown = start.fitted !== undefined && names.every((name) => Object.hasOwn(known, name));
  const needsLabels = tasks.some(({ name, scaling }) => scaling !== undefined && !Object.hasOwn(learned, name));
  if (isKnown && !needsLabels) {
    const facts = { sums: new Map<string, never>(), scales: labelScales(tasks, learned) };
    return startGrowth(session, start.grow(known), facts);
  }
  const reading = { endsWhenEmpty: options.untilEnd === true, signal, onWarning: warn };
  const head = await fitHead(stream, firstSampleFormat(format), fitRows, reading, (share) =>
    observer.onRead({ what: `reading the first ${fitRows} records of ${stream.name}`, share }),
  );
  const facts = await labelFacts(head.labels, tasks, learned);
  if (Object.keys(learned).length > 0) data.labelScales = learned;
  state.sums = storedSums(facts.sums);
  return startGrowth(session, start.grow({ ...head.fitted, ...known }), facts);
}

/**
 * Starts or resumes the growth of vocabularies.
 * @throws UserError (config) if tokens expire by a time that records do not have
 */
function startGrowth(
  { experiment: { seed }, inputs: { format }, follow: { time } }: StreamSession,
  fitted: Fitted,
  facts: LabelFacts,
): StreamData {
  const vocabularies = new GrowingVocabularies(format.fields, fitted, seed);
  const { timedField } = vocabularies;
  if (timedField !== undefined && time === undefined)
    throw userError('config', {
      key: `field '${timedField}'`,
      message: 'has tokens that expire by the time of the records, which have none',
      fix: 'set data.follow.time to their column, or expire after steps, as in unseen: { steps: 10000 }',
    });
  return { encoded: { ...encodedFormat(format, fitted), fields: vocabularies.fields }, facts, vocabularies };
}

/** Keeps the invalid records before the position of a resumed run. */
async function keepRejects({ folder, log, resumed }: OpenRun, state: StreamState): Promise<void> {
  if (resumed === undefined) return;
  const path = join(folder, REJECTS);
  if (!existsSync(path)) state.rejectsBytes = 0;
  if (state.rejectsBytes === 0) return;
  await onDisk(log.rejectsPath, () => copyFile(path, log.rejectsPath));
  state.rejectsBytes = await cutFile(log.rejectsPath, state.rejectsBytes);
}

/** Trains until the run is interrupted, or the source has no more records if the run ends then. */
async function trainModel(
  session: StreamSession,
  run: OpenRun,
  { encoded, vocabularies }: StreamData,
  model: CompiledModel,
  progress: Progress,
  state: StreamState,
): Promise<void> {
  const { experiment, follow: settings, inputs, options, signal, warn } = session;
  const { loop } = progress;
  const stepOptions = createStepOptions(session, run, model, loop, { steps: Infinity, stepsPerEpoch: Infinity });
  const followed = openFollowedStream(session, run, encoded, state);
  const windows = run.state.of(progressiveSection, firstProgressiveState);
  const growth = run.state.of(growthSection, (): GrowthState => ({ counts: {} }));
  vocabularies.continueCounts(growth.counts);
  const outputs = onFirstSamples(inputs.measured.outputs, inputs.tasks);
  const progressive = new ProgressiveValidation(outputs, settings.windowRows, settings.alarms, windows);
  const checkpointer = await openTrainingCheckpointer(
    session,
    run,
    model,
    loop,
    { ...withInterval(experiment.checkpoints), vocabularies },
    () => {
      progressive.store();
      growth.counts = vocabularies.counts();
      return {
        get fitted() {
          return vocabularies.fitted();
        },
        counters: joinStates(NO_COUNTERS),
        lookups: encoded.spec.lookups ?? new Map(),
      };
    },
  );
  progress.checkpointer = checkpointer;
  await run.begin({});
  await trainStream({
    ...stepOptions,
    batches: () => followed.batches({ endsWhenEmpty: options.untilEnd === true, signal, onWarning: warn }),
    progressive,
    beforeBatch: ({ batch }) => growVocabularies(vocabularies, model, batch, followed.timeMs),
    moveAfter: (batch) => followed.moveAfter(batch),
    onWindow: (window) => reportWindow(session, run, window, { loop, progressive, state, vocabularies }),
    beforeStep: (step) => checkpointer.beforeStep(step),
    signal,
  });
  await checkpointer.now();
  progress.checkpointer = undefined;
  Object.assign(progress.metrics, await run.log.results(loop, {}));
}

function openFollowedStream(
  { experiment, follow: options, inputs: { stream }, warn }: StreamSession,
  { folder, log }: OpenRun,
  format: StreamData['encoded'],
  state: StreamState,
): FollowedStream {
  return new FollowedStream({
    stream,
    format,
    options,
    batchRows: stepRows(experiment.training),
    rejectsPath: join(folder, REJECTS),
    state,
    onSchemaChange: (change) => {
      log.event('schema', change);
      warn(describeChange(change));
    },
  });
}

/** Replaces the tokens of a batch by rows, which change before the batch is predicted. */
function growVocabularies(
  vocabularies: GrowingVocabularies,
  { program, journal }: CompiledModel,
  batch: Batch,
  timeMs: number | undefined,
): void {
  if (!vocabularies.isGrowing) return;
  const changes = vocabularies.assign(batch, timeMs);
  program.changeRows!(changes);
  journal?.markChanges(changes);
  // No record after the batch is encoded.
  vocabularies.releaseNumbers();
}

/** Returns the schedule of checkpoints, with a default interval. */
function withInterval(checkpoints: CheckpointOptions): CheckpointOptions {
  const { everySteps, everyMinutes, delta } = checkpoints;
  const hasInterval = everySteps !== undefined || everyMinutes !== undefined || delta !== undefined;
  return hasInterval ? checkpoints : { ...checkpoints, everyMinutes: SAVE_EVERY_MINUTES };
}

/** Logs a window and its alarms, and begins the next one. */
async function reportWindow(
  {
    follow: {
      alarms: { maxLag },
    },
    inputs,
    observer,
    warn,
  }: StreamSession,
  run: OpenRun,
  report: WindowReport,
  {
    loop,
    progressive,
    state,
    vocabularies,
  }: Pick<Progress, 'loop'> & {
    readonly progressive: ProgressiveValidation;
    readonly state: StreamState;
    readonly vocabularies: GrowingVocabularies;
  },
): Promise<void> {
  const lag = await inputs.stream.lag();
  const isLate = lag !== undefined && maxLag !== undefined && lag.amount > maxLag;
  const lagAlarms = isLate ? [`${lag.amount} ${lag.unit} are left to read, more than ${maxLag}`] : [];
  progressive.raise(lagAlarms);
  const alarms = [...report.alarms, ...lagAlarms];
  const { step, elapsedMs } = loop;
  const grown = vocabularies.isGrowing ? { vocabularies: vocabularies.report() } : {};
  const window = { ...report, alarms, step, ...windowCounts(state), lag, elapsedMs, ...grown };
  startWindow(state);
  run.log.window(window);
  for (const alarm of alarms) warn(`window ${report.window}: ${alarm}`);
  observer.onWindow?.(window);
}

function describeChange({
  path,
  line,
  added,
  removed,
}: {
  readonly path: string;
  readonly line: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}): string {
  const parts = [
    ...(added.length > 0 ? [`new columns ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`no longer has ${removed.join(', ')}`] : []),
  ];
  return `${path}:${line}: ${parts.join('; ')}`;
}
