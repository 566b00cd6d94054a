import { monotonicMs } from '../system/clock.js';

/** Progress of the preparation. */
export interface PrepareProgress {
  readonly phase: string;
  /** Fraction of all work, from 0 to 1. */
  readonly share: number;
  /** Estimated from the pace so far. */
  readonly leftMs: number;
}

/** Counts work in units of the time to parse a byte of raw data. */
export interface Progress {
  phase: string;
  /** Adds work of a previous run. */
  skip(work: number): void;
  /** Adds work of this run. */
  add(work: number): void;
}

/** Creates the progress of this much work. */
export function createProgress(total: number, warn: (progress: PrepareProgress) => void): Progress {
  const startMs = monotonicMs();
  let done = 0;
  let skipped = 0;
  const progress: Progress = {
    phase: '',
    skip: (work) => void (skipped += work),
    add(work) {
      done += work;
      const left = Math.max(0, total - skipped - done);
      warn({
        phase: progress.phase,
        share: Math.min(1, (skipped + done) / total),
        leftMs: ((monotonicMs() - startMs) / done) * left,
      });
    },
  };
  return progress;
}
