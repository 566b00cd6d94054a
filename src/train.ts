import { dumpConfig } from './config/dump.js';
import type { LoadedConfig } from './config/load.js';
import { comparisonWith } from './config/stored.js';
import { findLabelLeaks } from './data/info/label-leaks.js';
import { rejectPolicy } from './data/rows/rejects.js';
import { dataSection, firstDataState } from './data/sources/data-state.js';
import type { Access, ReadProgress } from './data/sources/source.js';
import { openEncoded } from './data/sources/splits.js';
import { engineLine, readState, type Engine } from './engines/engine.js';
import { withEngine, type EngineOptions } from './engines/engines.js';
import { planSize } from './engines/plan-size.js';
import { createCalibration } from './evaluation/calibration/calibration.js';
import { vocabularyBytes } from './features/feature-types.js';
import { buildGraph, openInputs } from './inputs/open-inputs.js';
import { restoreBest } from './runs/calibrated-outputs.js';
import { SINGLE_PROCESS } from './core/process-group.js';
import { openDistributedRun, type RunRequest } from './runs/open-distributed-run.js';
import { openCheckpointer, type Checkpointer } from './runs/checkpointer.js';
import { evaluateBatches, EVALUATION_BATCH_ROWS } from './training/evaluate-batches.js';
import { createDiagnosisObserver } from './training/diagnostics.js';
import { isDivergence } from './training/divergence.js';
import { firstLoopState, loopSection } from './training/loop-state.js';
import { trainLoop, type LoopOptions } from './training/loop.js';
import { computeMeasurement, buildStopping } from './training/monitor.js';
import { createSanityChecks } from './training/sanity-checks.js';
import type { TrainObserver, TrainResult } from './training/observer.js';
import { buildStepPlan, stepRows } from './training/step-plan.js';
import { createTrainStep } from './training/train-step.js';

/** What the command line adds to a config. */
export type TrainOptions = EngineOptions &
  Pick<Access, 'verifyData'> &
  Pick<RunRequest, 'name' | 'runDir' | 'resume' | 'overrides'> &
  Pick<LoopOptions, 'signal'>;

/** Trains what a config describes, or goes on with it. */
export function train(loaded: LoadedConfig, options: TrainOptions, observer: TrainObserver): Promise<TrainResult> {
  return withEngine(options, loaded.experiment.training.precision, (engine) =>
    trainOn(engine, loaded, options, observer),
  );
}

/** The whole run, in the order in which data flows. */
async function trainOn(
  engine: Engine,
  { experiment, source }: LoadedConfig,
  { peers = SINGLE_PROCESS, ...options }: TrainOptions,
  observer: TrainObserver,
): Promise<TrainResult> {
  const { data, training, checkpoints, model, seed } = experiment;
  const signal = peers.synchronizeSignal(options.signal);
  // What can be wrong with the surroundings is found before a folder is made.
  const {
    tasks,
    measured: { goals, ...what },
    format,
    sources,
    start,
  } = await openInputs(experiment, { peers });
  const config = dumpConfig(experiment);
  const warn = (notice: string): void => observer.onWarning(notice);
  const run = await openDistributedRun(
    {
      ...options,
      configName: experiment.name,
      runs: experiment.runs,
      track: experiment.loggers,
      source,
      config,
      values: experiment,
      engine,
      compareConfig: comparisonWith(experiment),
      originOf: start.originOf,
    },
    peers,
    warn,
  );
  const { folder, log } = run;

  const policy = rejectPolicy(data, log.rejectsPath);
  const loop = run.state.of(loopSection, firstLoopState);
  const nonsense = createSanityChecks(tasks, training, (text) => (log.event('warning', { text }), warn(text)));
  const metrics: Record<string, TrainResult['metrics'][string]> = {};
  const finish = (end: TrainResult['end']): Promise<TrainResult> =>
    log.end(
      {
        end,
        name: experiment.name,
        model: model.name,
        seed,
        monitor: training.monitor,
        metrics,
        numRejects: policy.count,
      },
      loop,
    );
  /** Saves where training stands, while it does. */
  let saver: Checkpointer | undefined;
  let dispose: (() => unknown) | undefined;
  try {
    const reading = {
      policy,
      sharing: { peers, policy: rejectPolicy(data) },
      onWarning: warn,
      cache: { folder: data.cache, onWarning: warn },
      verifyData: options.verifyData,
      onProgress: (progress: ReadProgress) => observer.onRead(progress),
      threads: options.threads,
      signal: options.signal,
    };
    const {
      encoded,
      train: trainSet,
      valid: validSet,
      test: testSet,
      unknown,
      facts,
    } = await openEncoded(
      sources,
      format,
      run.resumed?.fitted ?? start.grow(await sources.train.fit(format, reading)),
      reading,
      start.keepScales(run.state.of(dataSection, firstDataState)),
    );

    const { layout, graph } = buildGraph(experiment, tasks, encoded.fields, facts);
    const plan = { graph, layout, seed, peers, ...buildStepPlan(training) };
    const begun = {
      run: folder,
      model: model.name,
      engine: engineLine(engine),
      epochs: training.epochs,
      epochSteps: Math.ceil(trainSet.rows / stepRows(training)),
      monitor: training.monitor,
      learningRate: training.optimizer.dense.learningRate,
      ...planSize(plan, engine, vocabularyBytes(encoded.fields)),
    };
    observer.onStart(begun);
    log.event('start', begun);
    const program = engine.compile(plan, warn);
    dispose = () => trainSet.close().finally(() => program.dispose());
    if (run.resumed === undefined) start.begin(program, log, warn);
    else run.resumed.restore(program);
    const stepper = createTrainStep({
      program,
      training,
      seed,
      trainingSteps: training.epochs * begun.epochSteps,
      terms: graph.terms,
      stateOf: run.state.of,
    });
    const calibration = createCalibration(
      { section: experiment.calibration, spaces: what.spaces, stateOf: run.state.of },
      warn,
    );
    const measured = (rows: typeof trainSet, spaces = what.spaces) =>
      evaluateBatches(
        program,
        rows.batches(EVALUATION_BATCH_ROWS),
        { ...what, spaces, keyTexts: rows.keyTexts, terms: graph.terms },
        signal,
      );

    saver = await openCheckpointer(
      {
        ...checkpoints,
        run,
        peers,
        loop,
        goals,
        snapshot: async () => ({
          program: await readState(program),
          sections: run.state.sections(),
          fitted: encoded.fitted,
          config,
        }),
      },
      warn,
    );
    await run.begin({ unknown });
    const end = await trainLoop({
      ...training,
      program,
      stepper,
      signal,
      state: loop,
      terms: graph.terms,
      stopping: buildStopping(training, loop, goals),
      batches: (epoch, skipBatches) =>
        trainSet.batches(
          stepRows(training),
          training.shuffle ? { seed, epoch, window: training.shuffleWindow } : undefined,
          { skipBatches },
        ),
      validate:
        validSet &&
        (async () => computeMeasurement(calibration.fitted(await measured(validSet), loop.step), training.monitor)),
      beforeStep: (step) => saver?.beforeStep(step),
      onStep: (progress) => observer.onStep(progress),
      onSteps: (report) => log.steps(report),
      onSkip: (skipped) => log.event('skip', skipped),
      onDiagnosis: createDiagnosisObserver(graph, (report) => log.diagnosis(report), warn),
      onMilestone: async (milestone) => {
        await log.milestone(milestone);
        await saver?.atMilestone(milestone);
        await observer.onMilestone(milestone);
        nonsense.milestone(milestone);
      },
    });
    await saver.now();
    saver = undefined;
    // The newest weights need not be read again: they are there, however large.
    const spaces =
      loop.bestStep === loop.step ? calibration.calibrated() : await restoreBest(folder, program, what.spaces);
    const valid = validSet && experiment.calibration && (await measured(validSet, spaces));
    Object.assign(metrics, await log.results(loop, { valid, test: testSet && (await measured(testSet, spaces)) }));
    await nonsense.results(metrics, () => findLabelLeaks(encoded, trainSet, (testSet ?? validSet)!));
    return await finish(end);
  } catch (error) {
    const isInterrupted = signal.aborted && error === signal.reason;
    const errors = isInterrupted ? [] : [error];
    if (isInterrupted || isDivergence(error)) await saver?.now().catch((unsaved: unknown) => errors.push(unsaved));
    if (errors.length === 0) return await finish('interrupted');
    for (const each of errors) log.failure(each);
    throw errors[0];
  } finally {
    await dispose?.();
    await run.release();
  }
}
