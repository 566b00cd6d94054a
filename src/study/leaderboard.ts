import { hasExited } from '../system/owner.js';
import { toCost } from './observation.js';
import { openJournal } from './journal.js';
import type { Point } from './space.js';
import { readStudy, type Study, type StudyFacts } from './study.js';
import { computeMean, type Trial } from './trial.js';

/** A trial for display; JSON. */
export interface ListedTrial {
  readonly number: number;
  /** Waiting: no live worker has it. */
  readonly state: 'running' | 'waiting' | 'finished' | 'stopped' | 'failed';
  readonly value: number | null;
  readonly deviation: number | null;
  readonly point: Point;
  /** Means over the runs, with keys such as `valid.ctcvr.auc`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Directories of the runs, relative to the study's. */
  readonly runs: readonly string[];
  /** Training time of all its runs. */
  readonly elapsedMs: number;
  readonly message?: string;
}

/**
 * Reads a study and its trials, best first.
 * @throws UserError (usage) if the directory is not a study; (disk)
 */
export async function readLeaderboard(
  folder: string,
): Promise<{ readonly study: Study; readonly board: readonly ListedTrial[] }> {
  const study = readStudy(folder);
  return { study, board: leaderboard((await openJournal(folder)).trials, study.goal) };
}

/** Lists the trials of a study: finished ones, best first; then stopped ones; then those without a value, by number. */
export function leaderboard(trials: readonly Trial[], goal: StudyFacts['goal']): readonly ListedTrial[] {
  const groupRank = ({ state, value }: ListedTrial): number => (value === null ? 2 : state === 'stopped' ? 1 : 0);
  return trials
    .map(listTrial)
    .sort(
      (a, b) =>
        groupRank(a) - groupRank(b) ||
        (a.value === null || b.value === null ? 0 : toCost(a.value, goal) - toCost(b.value, goal)) ||
        a.number - b.number,
    );
}

function listTrial({ number, point, claims, result }: Trial): ListedTrial {
  const runs = result?.runs ?? [];
  const names = Object.keys(runs[0]?.metrics ?? {}).filter((name) =>
    runs.every(({ metrics }) => Object.hasOwn(metrics, name)),
  );
  const claim = claims.at(-1);
  const isClaimed = claim !== undefined && claim.release === undefined && hasExited(claim.owner) !== true;
  return {
    number,
    state: result?.end ?? (isClaimed ? 'running' : 'waiting'),
    value: result?.value ?? null,
    deviation: result?.deviation ?? null,
    point,
    metrics: Object.fromEntries(
      names.map((name) => [name, computeMean(runs.map(({ metrics }) => metrics[name]!)).value]),
    ),
    runs: runs.map(({ run }) => run),
    elapsedMs: runs.reduce((sum, run) => sum + run.elapsedMs, 0),
    ...(result?.message !== undefined && { message: result.message }),
  };
}
