import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { wallClockMs } from '../system/clock.js';
import { hasExited } from '../system/owner.js';
import { beat, keepBeating, watchHeartbeats, type HeartbeatWatch } from '../runs/heartbeat.js';
import { dropForeignLock } from '../runs/lock.js';
import { shouldPromote, findRung } from './asha.js';
import type { Journal } from './journal.js';
import { runTrial, type TrainRun } from './run-trial.js';
import { toCost, toObservation } from './observation.js';
import { formatRunFolder, createTrialStream, type Study } from './study.js';
import type { Trial, TrialResult } from './trial.js';

/** Polling interval of an idle worker. */
const POLL_INTERVAL_MS = 1000;

export interface WorkerOptions {
  readonly train: TrainRun;
  /** Abort to save the current trial, release it and return. */
  readonly signal: AbortSignal;
  log(text: string): void;
}

/**
 * Runs trials of a study until none is left: first the trials of dead workers, then new ones. An idle worker waits
 * while others have trials, in case they die.
 * @throws UserError for an error of the disk or the data; the trial is released for other workers
 */
export async function runTrials(study: Study, journal: Journal, { train, signal, log }: WorkerOptions): Promise<void> {
  const heartbeats = watchHeartbeats(study.options.staleMinutes * 60_000);
  while (!signal.aborted) {
    await journal.refresh();
    const trial = (await findFreeTrial(journal, heartbeats)) ?? (await beginNextTrial(study, journal));
    if (trial === undefined) {
      if (isOver(study, journal.trials)) return;
      await setTimeout(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
      continue;
    }
    const claim = await journal.claim(trial);
    if (claim === undefined) continue;
    const claimed: Trial = { ...trial, claims: [...trial.claims, claim] };
    const numDeaths = trial.claims.filter(({ release }) => release === undefined).length;
    if (numDeaths >= study.options.maxAttempts) {
      await journal.end(trial.number, {
        end: 'failed',
        value: null,
        deviation: null,
        message: `its workers died ${numDeaths} times without an error`,
        runs: [],
      });
      continue;
    }
    log(`trial ${trial.number}${trial.claims.length === 0 ? '' : ', taken over'}: ${JSON.stringify(trial.point)}`);
    // The previous process counts as dead, so its locks on other machines are removed.
    if (trial.claims.length > 0)
      for (const seed of study.seeds) await dropForeignLock(join(study.folder, formatRunFolder(trial.number, seed)));
    const result = await runWithHeartbeat(journal, claimed, signal, log, (abortSignal) =>
      runTrial(
        study,
        claimed,
        train,
        (epoch, value) => shouldStopAtRung(study, journal, claimed, epoch, value),
        abortSignal,
      ),
    );
    if (result !== undefined) {
      await journal.end(trial.number, result);
      const outcome = result.end === 'failed' ? `failed: ${result.message}` : `${study.options.metric} ${result.value}`;
      log(`trial ${trial.number}: ${outcome}`);
    }
  }
}

/**
 * Runs a claimed trial with a heartbeat, and releases it if the run is cut short.
 * @returns undefined if the run was cut short or another worker took the trial over
 */
async function runWithHeartbeat(
  journal: Journal,
  trial: Trial,
  signal: AbortSignal,
  log: WorkerOptions['log'],
  run: (abortSignal: AbortSignal) => Promise<TrialResult | undefined>,
): Promise<TrialResult | undefined> {
  const lostClaim = new AbortController();
  const stop = keepBeating(async () => {
    await beat(trial.claims.at(-1)!.path);
    await journal.refresh();
    if (journal.trials.find(({ number }) => number === trial.number)!.claims.length > trial.claims.length)
      lostClaim.abort(new Error('taken over'));
  });
  try {
    const result = await run(AbortSignal.any([signal, lostClaim.signal]));
    if (result === undefined && !lostClaim.signal.aborted) await journal.release(trial, 'its worker was asked to stop');
    if (lostClaim.signal.aborted)
      log(`trial ${trial.number}: another worker took it over, because this worker's heartbeat was stale`);
    return result;
  } catch (error) {
    if (!lostClaim.signal.aborted) await journal.release(trial, error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    stop();
  }
}

/** Records the value of a trial if the epoch is a rung, and reports whether the trial stops there. */
async function shouldStopAtRung(
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

async function findFreeTrial(journal: Journal, heartbeats: HeartbeatWatch): Promise<Trial | undefined> {
  for (const trial of journal.trials) if (await isFree(trial, heartbeats)) return trial;
  return undefined;
}

/**
 * Reports whether a trial may be claimed: it has no result, no live worker holds it, and the wait after its release is
 * over. A process of this machine is checked by its id; one of another machine or container counts as dead once its
 * claim's heartbeat is stale.
 */
export async function isFree({ claims, result }: Trial, heartbeats: HeartbeatWatch): Promise<boolean> {
  if (result !== undefined) return false;
  const claim = claims.at(-1);
  if (claim === undefined) return true;
  if (claim.release !== undefined) return Date.parse(claim.release.retryAt) <= wallClockMs();
  return hasExited(claim.owner) ?? (await heartbeats.check(claim.path)) === 'dead';
}

/** Begins the next trial and returns it, without claims; undefined if no more may start. */
async function beginNextTrial(study: Study, journal: Journal): Promise<Trial | undefined> {
  while (canStartTrial(study, journal.trials)) {
    const number = (journal.trials.at(-1)?.number ?? 0) + 1;
    const point = study.search.suggest(
      number,
      journal.trials.map((trial) => toObservation(trial, study.goal)),
      createTrialStream(study, number),
    );
    const hasBegun = await journal.begin(number, point);
    await journal.refresh();
    const trial = journal.trials.find((each) => each.number === number)!;
    // If another worker began it, or claimed it since, suggest again with that trial known.
    if (hasBegun && trial.claims.length === 0) return trial;
  }
  return undefined;
}

/** Reports whether the limits of the study allow another trial. */
export function canStartTrial({ numTrials, options }: Study, trials: readonly Trial[]): boolean {
  const [first] = trials;
  const isLate =
    options.hours !== undefined &&
    first !== undefined &&
    wallClockMs() - Date.parse(first.createdAt) > options.hours * 3_600_000;
  return (trials.at(-1)?.number ?? 0) < numTrials && !isLate;
}

/** Reports whether all trials have results and no other may start. */
export function isOver(study: Study, trials: readonly Trial[]): boolean {
  return trials.every(({ result }) => result !== undefined) && !canStartTrial(study, trials);
}
