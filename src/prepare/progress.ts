import { monotonicMs } from '../system/clock.js';

/** How far preparing has come. */
export interface PrepareProgress {
  /** What is being done. */
  readonly phase: string;
  /** Of all work, from 0 to 1. */
  readonly share: number;
  /** Estimated from the pace so far. */
  readonly leftMs: number;
}

/** Counts work: a unit is a byte of raw data parsed, and what else takes as long. */
export interface Progress {
  phase: string;
  /** Work that was found done. */
  skip(work: number): void;
  /** Work that was done now. */
  add(work: number): void;
}

/** Progress over so much work. */
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
