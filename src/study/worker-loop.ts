import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { wallClockMs } from '../system/clock.js';
import { dropForeignLock } from '../runs/lock.js';
import { shouldPromote, findRung } from './asha.js';
import type { Journal } from './journal.js';
import { runTrial, type TrainRun } from './run-trial.js';
import { toCost, toObservation } from './observation.js';
import { formatRunFolder, streamOf, type Study } from './study.js';
import type { Trial, TrialResult } from './trial.js';
import { startHeartbeat, watchClaims, type ClaimWatch } from './heartbeat.js';

/** How often a worker that has nothing to do looks whether there is something. */
const LOOK_EVERY_MS = 1000;

/** What a worker works with. */
export interface WorkerOptions {
  readonly train: TrainRun;
  /** Aborted to give back what it has, saved, and end. */
  readonly signal: AbortSignal;
  /** Told what it does. */
  log(text: string): void;
}

/**
 * Takes trials of a study until there is nothing left to do: those whose workers died first, then new ones. It stays
 * while others have trials, in
 * case they die.
 * @throws UserError where the disk or the data refuse a trial, which others may then go on with
 */
export async function runTrials(study: Study, journal: Journal, { train, signal, log }: WorkerOptions): Promise<void> {
  const watch = watchClaims(study.options.staleMinutes * 60_000);
  while (!signal.aborted) {
    await journal.refresh();
    const trial = (await freeTrial(journal, watch)) ?? (await nextTrial(study, journal));
    if (trial === undefined) {
      if (isOver(study, journal.trials)) return;
      await setTimeout(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      continue;
    }
    const claim = await journal.claim(trial);
    if (claim === undefined) continue;
    const mine: Trial = { ...trial, claims: [...trial.claims, claim] };
    const died = trial.claims.filter(({ isReleased }) => !isReleased).length;
    if (died >= study.options.maxAttempts) {
      await journal.end(trial.number, {
        end: 'failed',
        value: null,
        deviation: null,
        message: `its workers died ${died} times without a word`,
        runs: [],
      });
      continue;
    }
    log(`trial ${trial.number}${trial.claims.length === 0 ? '' : ', taken over'}: ${JSON.stringify(trial.point)}`);
    // A process of another machine that had it is dead, whatever it has locked.
    if (trial.claims.length > 0)
      for (const seed of study.seeds) await dropForeignLock(join(study.folder, formatRunFolder(trial.number, seed)));
    const result = await whileHeld(journal, mine, signal, log, (held) =>
      runTrial(study, mine, train, (epoch, value) => isOutdone(study, journal, mine, epoch, value), held),
    );
    if (result !== undefined) {
      await journal.end(trial.number, result);
      log(
        `trial ${trial.number}: ${result.end === 'failed' ? `failed: ${result.message}` : `${study.options.metric} ${result.value}`}`,
      );
    }
  }
}

/**
 * Does something with a trial that is this worker's, and gives the trial back where that is cut short; undefined then,
 * and where another one took it.
 */
async function whileHeld(
  journal: Journal,
  trial: Trial,
  signal: AbortSignal,
  log: WorkerOptions['log'],
  run: (held: AbortSignal) => Promise<TrialResult | undefined>,
): Promise<TrialResult | undefined> {
  const lost = new AbortController();
  const stop = startHeartbeat(trial.claims.at(-1)!, async () => {
    await journal.refresh();
    if (journal.trials.find(({ number }) => number === trial.number)!.claims.length > trial.claims.length)
      lost.abort(new Error('taken over'));
  });
  try {
    const result = await run(AbortSignal.any([signal, lost.signal]));
    if (result === undefined && !lost.signal.aborted) await journal.release(trial, 'its worker was told to end');
    if (lost.signal.aborted)
      log(`trial ${trial.number}: another worker has taken it over, since this one did not seem to live`);
    return result;
  } catch (error) {
    if (!lost.signal.aborted) await journal.release(trial, error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    stop();
  }
}

/**
 * Notes what a trial is worth where an epoch is a rung, and tells whether others have done so much better that it ends
 * there.
 */
async function isOutdone(
  { options: { asha }, goal }: Study,
  journal: Journal,
  { number }: Trial,
  epoch: number,
  value: number,
): Promise<boolean> {
  const rung = asha && findRung(asha, epoch);
  if (rung === undefined) return false;
  await journal.reach(number, rung, { epoch, value });
  await journal.refresh();
  return !shouldPromote(
    toCost(value, goal),
    journal.trials.flatMap(({ rungs }) => (rungs[rung] === undefined ? [] : [toCost(rungs[rung], goal)])),
    asha!.reductionFactor,
  );
}

async function freeTrial(journal: Journal, watch: ClaimWatch): Promise<Trial | undefined> {
  for (const trial of journal.trials) if (await watch.isFree(trial)) return trial;
  return undefined;
}

/** Begins the next trial, if there is to be one. */
async function nextTrial(study: Study, journal: Journal): Promise<Trial | undefined> {
  while (canStartTrial(study, journal.trials)) {
    const number = (journal.trials.at(-1)?.number ?? 0) + 1;
    const point = study.search.suggest(
      number,
      journal.trials.map((trial) => toObservation(trial, study.goal)),
      streamOf(study, number),
    );
    const isMine = await journal.begin(number, point);
    await journal.refresh();
    // Where another one began it, a search has more to see.
    if (isMine) return journal.trials.find((trial) => trial.number === number);
  }
  return undefined;
}

/** Whether another trial may be begun. */
export function canStartTrial({ numTrials, options }: Study, trials: readonly Trial[]): boolean {
  const [first] = trials;
  const isLate =
    options.hours !== undefined &&
    first !== undefined &&
    wallClockMs() - Date.parse(first.createdAt) > options.hours * 3_600_000;
  return (trials.at(-1)?.number ?? 0) < numTrials && !isLate;
}

/** Whether there is nothing left to do. */
export function isOver(study: Study, trials: readonly Trial[]): boolean {
  return trials.every(({ result }) => result !== undefined) && !canStartTrial(study, trials);
}
