import { monotonicMs } from '../system/clock.js';
import { isWhole } from '../io/column-file.js';
import type { FieldPlan } from './fields.js';
import type { Job, Pool, Task } from '../system/job-pool.js';
import type { Work } from './work.js';

/** Progress of the preparation. */
export interface PrepareProgress {
  readonly phase: string;
  /** Fraction of all work, from 0 to 1. */
  readonly share: number;
  /** Estimated from the pace so far. */
  readonly leftMs: number;
}

/** Work of a stage in units of the time to parse a byte of raw data. */
export interface Effort {
  readonly phase: string;
  /** One value per task. */
  readonly units: readonly number[];
}

/** Runs the stages of the preparation. */
export interface Stages {
  readonly work: Work;
  readonly fields: readonly FieldPlan[];
  /**
   * Runs a job for each task whose target is missing or truncated, as seen by rank 0: another machine that looked too
   * early may not see a file.
   */
  run<T extends Task>(job: Job<T>, tasks: readonly T[], effort?: Effort): Promise<void>;
}

/**
 * Creates the stages of a preparation.
 * @param totalUnits effort of all stages
 */
export function createStages(
  work: Work,
  fields: readonly FieldPlan[],
  pool: Pool,
  totalUnits: number,
  onProgress: (progress: PrepareProgress) => void,
): Stages {
  const startMs = monotonicMs();
  let [done, skipped] = [0, 0];
  return {
    work,
    fields,
    async run(job, tasks, effort) {
      const isFinished = work.peers.rank === 0 ? tasks.map(({ target }) => isWhole(target)) : [];
      // Written by rank 0 of this code.
      const finished = JSON.parse(work.peers.allGatherStrings(JSON.stringify(isFinished))[0]!) as boolean[];
      const todo = tasks.flatMap((_, i) => (finished[i] === true ? [] : [i]));
      for (const [i, units] of effort?.units.entries() ?? []) if (finished[i] === true) skipped += units;
      await pool.run(
        job,
        todo.map((i) => tasks[i]!),
        (i) => {
          if (effort === undefined) return;
          done += effort.units[todo[i]!]!;
          const left = Math.max(0, totalUnits - skipped - done);
          onProgress({
            phase: effort.phase,
            share: Math.min(1, (skipped + done) / totalUnits),
            leftMs: ((monotonicMs() - startMs) / done) * left,
          });
        },
      );
    },
  };
}

/** Formats a file number with five digits. */
export function numbered(index: number, ending = '.columns'): string {
  return `${String(index).padStart(5, '0')}${ending}`;
}
