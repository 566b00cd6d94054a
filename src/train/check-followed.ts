import { listTasks, type Experiment } from '../config/experiment.js';
import { userError, UserError, type Problem } from '../core/errors.js';
import { fileLogs, rowHistories } from '../data/sequence-options.js';
import { checkJoinedCounters } from '../data/streams/joined-counters.js';
import { checkJoinedDelays } from '../data/streams/joined-samples.js';
import { readsLength, readsValidation } from '../training/train-step.js';
import type { TrainOptions } from './session.js';

/**
 * Checks that a config can be trained on a stream.
 * @param options.untilEnd whether the stream is complete
 * @throws UserError (config) for sections that require all rows before training
 */
export function checkFollowed(experiment: Experiment, { untilEnd = false }: Pick<TrainOptions, 'untilEnd'>): void {
  const problems = [...listUnsupported(experiment), ...(untilEnd ? [] : listGrowingLogs(experiment))];
  if (problems.length > 0) throw new UserError('config', problems);
}

function* listUnsupported({ data, tasks, training }: Experiment): Generator<Problem> {
  if (data.source !== undefined)
    yield {
      key: 'data.source',
      message: 'is divided into splits, which a stream has none of',
      fix: 'set data.train to the stream, and remove data.source and data.split',
    };
  if (data.negativeSampling !== undefined)
    yield {
      key: 'data.negativeSampling',
      message: 'numbers the rows of whole files, but a stream has no end',
      fix: 'sample before mtl, and set sampleWeight',
    };
  for (const [name, { distill, delay }] of Object.entries(tasks)) {
    if (delay !== undefined && data.join === undefined)
      yield {
        key: `tasks.${name}.delay`,
        message: 'replays a log that has the conversions already, but a stream does not have them yet',
        fix: 'set data.join to the logs of conversions; or train on the log without --follow',
      };
    if (distill?.from !== undefined)
      yield {
        key: `tasks.${name}.distill.from`,
        message: 'predicts all rows before training, but a stream has no end',
        fix: "add the teacher's probabilities to the records, and set distill.column",
      };
  }
  if (data.join !== undefined) {
    yield* checkJoinedDelays(listTasks({ tasks }), data.join);
    if (data.counters !== undefined) yield* checkJoinedCounters(listTasks({ tasks }), data.join, data.counters);
  }
  if (data.join !== undefined && data.where !== undefined)
    for (const name of Object.keys(rowHistories(data.sequences)))
      yield {
        key: `data.sequences.${name}.of`,
        message: 'has events of rows before data.where can exclude them, since data.join is set',
        fix: 'remove data.where, and filter the rows before mtl',
      };
  yield* checkSchedule(training);
}

/** Event logs in files are read before training: later rows would have histories without the events since then. */
function* listGrowingLogs({ data: { sequences } }: Experiment): Generator<Problem> {
  for (const name of Object.keys(fileLogs(sequences)))
    yield {
      key: `data.sequences.${name}`,
      message: 'is read once, before training, so later records would lack the events since then',
      fix: 'set of in place of file if the events are records with a label; or add --until-end if all are complete',
    };
}

function* checkSchedule({ schedule }: Experiment['training']): Generator<Problem> {
  const key = 'training.schedule';
  if (readsValidation(schedule))
    yield {
      key,
      message: 'depends on a validation set, which a stream has none of',
      fix: 'use another schedule, such as constant',
    };
  else if (readsLength(schedule))
    yield {
      key,
      message: 'depends on the length of training, but a stream has no end',
      fix: 'set its lengths in steps, as in 10000',
    };
}

/** Warns about the keys of a config that training on a stream does not use. */
export function warnOfUnused(experiment: Experiment, warn: (text: string) => void): void {
  const unused = listUnused(experiment);
  if (unused.length > 0) warn(`--follow does not use ${unused.join(', ')}: each record is predicted before training`);
}

function listUnused({ data, training, calibration }: Experiment): readonly string[] {
  return Object.entries({
    'data.valid': data.valid !== undefined,
    'data.test': data.test !== undefined,
    'data.onBadRow': data.onBadRow !== 'error',
    'training.epochs': training.epochs > 1,
    'training.evaluation': training.evaluation !== undefined,
    'training.earlyStopping': training.earlyStopping !== undefined,
    calibration: calibration !== undefined,
  }).flatMap(([key, isSet]) => (isSet ? [key] : []));
}

/**
 * Checks that a single process trains: ranks would receive other records.
 * @throws UserError (usage)
 */
export function checkSingle(ranks: number): void {
  if (ranks > 1)
    throw userError('usage', {
      where: '--follow',
      message: `cannot train on a stream in ${ranks} processes`,
      fix: 'start one process, whose threads use all cores',
    });
}
