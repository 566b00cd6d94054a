import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { userError } from '../core/errors.js';
import { continueCounters, type FirstRow } from '../data/counters/counter-start.js';
import { labelScales } from '../data/batches/label-facts.js';
import { onFirstSamples } from '../data/replay/numbered-samples.js';
import { dataSection, firstDataState, rememberTables } from '../data/sources/data-state.js';
import { DeadLetters } from '../data/streams/dead-letters.js';
import { FollowedStream } from '../data/streams/followed-stream.js';
import type { RowState } from '../data/streams/row-state.js';
import { describeSchemaChange } from '../data/streams/schema-watch.js';
import type { StreamBatch } from '../data/streams/stream-batches.js';
import {
  firstStreamState,
  startWindow,
  storedSums,
  streamSection,
  windowCounts,
  type StreamState,
} from '../data/streams/stream-state.js';
import { followStates, type RowStateName } from '../data/states/row-states.js';
import { growthSection, type GrowthState } from '../features/growing-vocabularies.js';
import { openStreamInputs, type StreamInputs } from '../inputs/open-stream-inputs.js';
import { cutFile, onDisk } from '../io/disk.js';
import { locateTensors } from '../io/named-tensor.js';
import type { SavedState } from '../io/saved-state.js';
import type { Checkpointer } from '../runs/checkpointer.js';
import { FILES } from '../runs/manifest.js';
import type { OpenRun } from '../runs/open-run.js';
import { REJECTS } from '../runs/run-log.js';
import type { StateName } from '../runs/states.js';
import type { TrainResult } from '../training/observer.js';
import {
  firstProgressiveState,
  ProgressiveValidation,
  progressiveSection,
  type WindowReport,
} from '../training/progressive.js';
import { trainPass } from '../training/loop.js';
import { noInterval } from '../training/loop-state.js';
import { saveWhileWaiting } from '../training/save-while-waiting.js';
import { stepRows } from '../training/step-plan.js';
import { checkFollowed, checkSingle, warnOfUnused } from './check-followed.js';
import {
  createStepOptions,
  openTrainingCheckpointer,
  runTraining,
  type CompiledModel,
  type Progress,
  type Session,
} from './session.js';
import { streamSchedule } from './stream-schedule.js';
import { growVocabularies, readStreamHead, startGrowth, type FittedHead, type StreamData } from './stream-head.js';

/** The data of a stream, and what its earlier records leave behind. */
interface StatedData extends StreamData {
  readonly states: readonly RowState<RowStateName>[];
}
type StreamSession = Session<StreamInputs>;

/** Trains on a stream in data-flow order, from the position of the run on. */
export async function follow(unopened: Omit<StreamSession, 'inputs'>): Promise<TrainResult> {
  const { experiment, options, peers, access, warn } = unopened;
  checkSingle(peers.size);
  checkFollowed(experiment, options);
  const checkpoints = streamSchedule(experiment);
  const inputs = await openStreamInputs(experiment, access);
  warnOfUnused(experiment, warn);
  const session: StreamSession = { ...unopened, experiment: { ...experiment, checkpoints }, inputs };
  const stateOf = (run: OpenRun): StreamState => run.state.of(streamSection, () => startStream(run));
  try {
    return await runTraining(session, {
      openRejects: (run) => ({
        get count() {
          return stateOf(run).rejected;
        },
      }),
      read: (run) => readHead(session, run, stateOf(run)),
      train: async (run, data, model, progress) => {
        await keepRejects(run, stateOf(run));
        return trainModel(session, run, data, model, progress, stateOf(run));
      },
    });
  } finally {
    await inputs.stream.close();
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

/** Opens the states of a run, which continue from its checkpoint, or counters from the run to start from. */
function openStates({ inputs, warn }: StreamSession, { resumed, log }: OpenRun): readonly RowState<RowStateName>[] {
  const earlier = resumed === undefined ? inputs.start.counters?.() : undefined;
  const findStart =
    earlier &&
    ((first: FirstRow) => {
      const { state, notice } = continueCounters(inputs.counters!, earlier, first);
      log.event('counters', { text: notice });
      warn(notice);
      return state;
    });
  return followStates(inputs, (name) => ({
    tensors: resumed?.states[name],
    file: resumed && join(resumed.checkpoint, FILES[name]),
    findStart,
  }));
}

/** Takes what is fitted from the checkpoint or the run to start from, or fits it on the first records. */
async function readHead(session: StreamSession, run: OpenRun, state: StreamState): Promise<StatedData> {
  const { resumed } = run;
  const { experiment, inputs, options, observer, signal, warn } = session;
  const { stream, format, start, tasks, follow: settings } = inputs;
  const data = start.keepScales(run.state.of(dataSection, firstDataState));
  rememberTables(data, 'lookups', format.spec.lookups ?? new Map());
  rememberTables(data, 'sequences', format.spec.logs ?? new Map());
  const learned = data.labelScales ?? {};
  const states = openStates(session, run);
  let head: FittedHead;
  if (resumed !== undefined) {
    const facts = { sums: new Map(Object.entries(state.sums)), scales: labelScales(tasks, learned) };
    head = { fitted: resumed.fitted, facts };
  } else {
    const reading = { endsWhenEmpty: options.untilEnd === true, signal, onWarning: warn };
    const onShare = (share: number): void =>
      observer.onRead({ what: `reading the first ${settings.fitRows} records of ${stream.name}`, share });
    const previews = states.map((each) => each.preview());
    head = await readStreamHead(inputs, learned, reading, onShare, previews);
    if (Object.keys(learned).length > 0) data.labelScales = learned;
    state.sums = storedSums(head.facts.sums);
  }
  return { ...startGrowth(inputs, experiment.seed, head), states };
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
  data: StatedData,
  model: CompiledModel,
  progress: Progress,
  state: StreamState,
): Promise<'finished'> {
  const { inputs, options, signal, warn } = session;
  const { vocabularies, states } = data;
  const { loop } = progress;
  const stepOptions = createStepOptions(session, run, model, loop, { steps: Infinity, stepsPerEpoch: Infinity });
  const followed = openFollowedStream(session, run, data, state);
  const windows = run.state.of(progressiveSection, firstProgressiveState);
  const outputs = onFirstSamples(inputs.measured.outputs, inputs.tasks);
  const { windowRows, alarms } = inputs.follow;
  const fields = data.encoded.fields.map(({ name }) => name);
  const progressive = locateTensors(
    { file: run.resumed && join(run.resumed.checkpoint, FILES.window) },
    () => new ProgressiveValidation(outputs, fields, windowRows, alarms, windows, run.resumed?.states.window),
  );
  const checkpointer = await openStreamCheckpointer(session, run, data, model, loop, progressive);
  progress.checkpointer = checkpointer;
  await run.begin({});
  const batches = (ended: AbortSignal): AsyncIterable<StreamBatch> =>
    followed.batches({ endsWhenEmpty: options.untilEnd === true, signal: ended, onWarning: warn });
  await trainPass(
    {
      ...stepOptions,
      signal,
      beforeStep: [],
      // Each batch is predicted, and then trained on, before the next one is read, so that a checkpoint has nothing of
      // later records.
      aroundStep: async (read) => {
        growVocabularies(vocabularies, model, read.batch, followed.lateness.watermark ?? undefined);
        const predictions = await model.program.averaged(() => model.program.predict(read.batch));
        const { skippedBatches } = loop;
        return async () => {
          followed.moveAfter(read);
          if (loop.skippedBatches > skippedBatches) progressive.countSkipped();
          const reports = progressive.add(read.batch, predictions);
          for (const report of reports)
            await reportWindow(session, run, report, { loop, progressive, state, vocabularies, states });
          if (reports.length > 0) Object.assign(loop, noInterval());
          await checkpointer.beforeStep(loop.step)?.();
        };
      },
    },
    saveWhileWaiting(batches, checkpointer, signal),
  );
  await checkpointer.now();
  progress.checkpointer = undefined;
  Object.assign(progress.metrics, await run.log.results(loop, {}));
  return 'finished';
}

/** Opens the checkpoints of a run, which store vocabularies, counters and window as they are at its position. */
function openStreamCheckpointer(
  session: StreamSession,
  run: OpenRun,
  { encoded, vocabularies, states }: StatedData,
  model: CompiledModel,
  loop: Progress['loop'],
  progressive: ProgressiveValidation,
): Promise<Checkpointer> {
  const growth = run.state.of(growthSection, (): GrowthState => ({ counts: {} }));
  vocabularies.continueCounts(growth.counts);
  const saved: readonly SavedState<StateName>[] = [...states, progressive];
  return openTrainingCheckpointer(
    session,
    run,
    model,
    loop,
    () => {
      growth.counts = vocabularies.counts();
      for (const each of saved) each.mark();
      return {
        get fitted() {
          return vocabularies.fitted();
        },
        get states() {
          return Object.fromEntries(saved.map((each) => [each.name, each.full()]));
        },
        lookups: encoded.spec.lookups ?? new Map(),
      };
    },
    { growth: vocabularies, ...Object.fromEntries(saved.map((each) => [each.name, each])) },
  );
}

function openFollowedStream(
  { experiment, inputs: { stream, follow: options }, warn }: StreamSession,
  { folder, log }: OpenRun,
  { encoded, states }: StatedData,
  state: StreamState,
): FollowedStream {
  return new FollowedStream({
    stream,
    format: encoded,
    states,
    options,
    batchRows: stepRows(experiment.training),
    letters: new DeadLetters(join(folder, REJECTS), state, Math.floor(options.maxRejects * options.windowRows), warn),
    state,
    onSchemaChange: (change) => {
      log.event('schema', change);
      warn(describeSchemaChange(change));
    },
  });
}

/** Logs a window and its alarms, and begins the next one. */
async function reportWindow(
  { inputs, observer, warn }: StreamSession,
  run: OpenRun,
  report: WindowReport,
  {
    loop,
    progressive,
    state,
    vocabularies,
    states,
  }: Pick<Progress, 'loop'> &
    Pick<StatedData, 'vocabularies' | 'states'> & {
      readonly progressive: ProgressiveValidation;
      readonly state: StreamState;
    },
): Promise<void> {
  const { maxLag } = inputs.follow.alarms;
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
  for (const large of states.map((each) => each.checkMemory())) if (large !== undefined) warn(large);
  for (const alarm of alarms) warn(`window ${report.window}: ${alarm}`);
  observer.onWindow?.(window);
}
