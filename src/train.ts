import { join } from 'node:path';
import { dumpConfig } from './config/dump.js';
import { tasksOf } from './config/experiment.js';
import type { LoadedConfig } from './config/load.js';
import { refuseBadRows, skipBadRows } from './data/rejects.js';
import { encodedFormat, rowFormatOf } from './data/row-format.js';
import type { ReadProgress } from './data/source.js';
import { openSplits } from './data/splits.js';
import { createEngine, type EngineOptions } from './engines/engines.js';
import { planSize } from './engines/plan-size.js';
import type { Report } from './evaluation/evaluation.js';
import { spacesOf } from './evaluation/spaces.js';
import { layoutOf } from './features/features.js';
import { buildModel } from './models/models.js';
import { findCheckpoint, readCheckpoint, saveCheckpoint, type CheckpointLink } from './runs/checkpoint.js';
import { createRunFolder } from './runs/run-folder.js';
import { openRunLog } from './runs/run-log.js';
import { trainLoop } from './training/loop.js';
import { EVALUATION_BATCH_ROWS, measure } from './training/measure.js';
import { measurementOf, stoppingOf } from './training/monitor.js';
import type { TrainObserver, TrainResult } from './training/observer.js';

/** What the command line adds to a config. */
export interface TrainOptions extends EngineOptions {
  readonly name?: string | undefined;
  readonly runDir?: string | undefined;
  /** `--set` texts, for the run folder. */
  readonly overrides: readonly string[];
  /** Aborted to end the run after the step that runs, and save. */
  readonly signal: AbortSignal;
}

/** Trains what a config describes: the whole run, in the order in which data flows. */
export async function train({ experiment, source }: LoadedConfig, options: TrainOptions, observer: TrainObserver): Promise<TrainResult> {
  const { data, training, model, seed } = experiment;
  const { signal } = options;
  const tasks = tasksOf(experiment);
  const spaces = spacesOf(tasks);
  const format = rowFormatOf(tasks, Object.values(experiment.features));

  // What can be wrong with the surroundings is found before a folder is made.
  const sources = await openSplits(data, format, 'paths are taken from the folder of the config, else from the working directory');
  const engine = await createEngine(options);
  const run = await createRunFolder({ configName: experiment.name, name: options.name, runDir: options.runDir });
  const config = dumpConfig(experiment);
  const log = await openRunLog(run, { source, config, overrides: options.overrides, engine });

  const policy = data.onBadRow === 'skip' ? skipBadRows(join(run, 'rejects.csv'), data.maxRejects) : refuseBadRows;
  const metrics: Record<string, Report> = {};
  let bestEpoch = 0;
  const finish = (end: TrainResult['end']): TrainResult => {
    log.event('end', { end, bestEpoch, numRejects: policy.count });
    return { run, end, bestEpoch, metrics, numRejects: policy.count };
  };
  /** Saves where training stands, while it does. */
  let save: ((links: readonly CheckpointLink[]) => Promise<void>) | undefined;
  let dispose: (() => void) | undefined;
  try {
    const reading = { policy, cache: { folder: data.cache, onNotice: (text: string) => observer.onNotice(text) }, onProgress: (progress: ReadProgress) => observer.onRead(progress), signal };
    const fitted = await sources.train.fit(format, reading);
    const encoded = encodedFormat(format, fitted);
    const trainSet = await sources.train.dataset(encoded, reading);
    const validSet = await sources.valid?.dataset(encoded, reading);
    const testSet = await sources.test?.dataset(encoded, reading);

    const layout = layoutOf(encoded.fields);
    const graph = buildModel(model, layout.width, tasks);
    const plan = { graph, layout, optimizers: training.optimizer, seed, batchRows: training.batchSize };
    const start = { run, model: model.name, engine: engine.description, epochs: training.epochs, ...planSize(plan) };
    observer.onStart(start);
    log.event('start', start);
    const program = engine.compile(plan);
    dispose = () => program.dispose();
    const measured = (dataset: typeof trainSet) => measure(program, dataset.batches(EVALUATION_BATCH_ROWS), spaces, signal);

    const stopping = stoppingOf(training);
    let epoch = 0;
    save = (links) => saveCheckpoint(run, { program: program.state(), loop: { epoch, bestEpoch, stopping: stopping.state() }, fitted, config }, links);
    const end = await trainLoop({
      program,
      epochs: training.epochs,
      terms: graph.terms,
      stopping,
      signal,
      batches: (number) => trainSet.batches(training.batchSize, training.shuffle ? { seed, epoch: number, window: training.shuffleWindow } : undefined),
      validate: validSet && (async () => measurementOf(await measured(validSet), graph.terms, training.monitor)),
      onStep: (progress) => observer.onStep(progress),
      onEpoch: async (result) => {
        epoch = result.epoch;
        if (result.isBest) {
          bestEpoch = epoch;
          if (result.valid !== undefined) metrics['valid'] = result.valid.report;
        }
        await save?.(result.isBest ? ['best', 'last'] : ['last']);
        await log.epoch(result);
        observer.onEpoch(result);
      },
    });
    save = undefined;

    program.restore((await readCheckpoint(findCheckpoint(run), false)).program);
    if (testSet !== undefined) metrics['test'] = await measured(testSet);
    await log.results(metrics, bestEpoch);
    return finish(end);
  } catch (error) {
    if (signal.aborted && error === signal.reason) {
      await save?.(['last']);
      return finish('interrupted');
    }
    log.failure(error);
    throw error;
  } finally {
    dispose?.();
  }
}
