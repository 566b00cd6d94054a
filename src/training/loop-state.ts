import { z } from 'zod';
import type { Report } from '../evaluation/evaluation.js';
import type { StateSection } from '../core/state-section.js';
import { stoppingStateSchema } from './stopping.js';

const count = z.int().min(0);
const valueSchema = z.number().nullable();

const sumsSchema = z.record(z.string(), z.strictObject({ loss: z.number(), rows: z.number().min(0) }));

/** Schema of the state that a loop requires to resume, except the program's own; JSON. */
const loopStateSchema = z.strictObject({
  /** Number of optimizer steps taken. */
  step: count,
  epoch: count,
  /** Batches, rows and elapsed time of the current epoch. */
  batch: count,
  rows: count,
  elapsedMs: z.number().min(0),
  /** Skipped batches of the current epoch. */
  skippedBatches: count,
  /** Since the last validation, or the beginning of the epoch. */
  sums: sumsSchema,
  /** Since losses were last logged. */
  logSums: sumsSchema.default({}),
  rowsSinceEvaluation: count.default(0),
  /** Skipped batches of all epochs. */
  allSkippedBatches: count,
  /** Epoch and step of the best weights, 0 if there are none yet, and their validation report. */
  bestEpoch: count,
  bestStep: count.default(0),
  // The report is only displayed again, so its metrics are not validated.
  bestReport: z
    .record(z.string(), z.looseObject({ rows: count }))
    .nullable()
    .transform((report) => report as Report | null),
  /** Best values of the additional monitors. */
  bests: z.record(z.string(), valueSchema),
  stopping: stoppingStateSchema,
});

/** State of a training loop, updated by the loop and consistent between any two steps. */
export type LoopState = z.output<typeof loopStateSchema>;

/** Position of a loop now, or after the steps in flight. */
export interface LoopPosition {
  readonly step: number;
  readonly epoch: number;
  readonly rowsSinceEvaluation: number;
}

/** Section of a checkpoint. */
export const loopSection: StateSection<LoopState> = { name: 'loop', version: 1, schema: loopStateSchema };

/** Returns the initial state. */
export function firstLoopState(): LoopState {
  return {
    step: 0,
    epoch: 0,
    ...noEpoch(),
    ...noInterval(),
    logSums: {},
    rowsSinceEvaluation: 0,
    allSkippedBatches: 0,
    bestEpoch: 0,
    bestStep: 0,
    bestReport: null,
    bests: {},
    stopping: { best: null, mark: null, epochsWithoutProgress: 0 },
  };
}

/** Returns the initial state of an epoch. */
export function noEpoch(): Pick<LoopState, 'batch' | 'rows' | 'elapsedMs' | 'skippedBatches'> {
  return { batch: 0, rows: 0, elapsedMs: 0, skippedBatches: 0 };
}

/** Returns the initial state of a validation interval. */
export function noInterval(): Pick<LoopState, 'sums'> {
  return { sums: {} };
}
