import { z } from 'zod';
import type { Report } from '../evaluation/evaluation.js';
import type { StateSection } from '../core/state-section.js';
import { stoppingStateSchema } from './stopping.js';

const count = z.int().min(0);
const valueSchema = z.number().nullable();

const sumsSchema = z.record(z.string(), z.strictObject({ loss: z.number(), rows: z.number().min(0) }));

/** Everything that a loop has to know to go on where another one stopped, but for the program's own state; JSON. */
const loopStateSchema = z.strictObject({
  /** Optimizer steps taken. */
  step: count,
  /** Whole epochs that are behind. */
  epoch: count,
  /** Of the epoch that is under way: batches that are behind, their rows, and the time that they took. */
  batch: count,
  rows: count,
  elapsedMs: z.number().min(0),
  /** Of these, batches whose update was skipped since their loss was not finite. */
  skippedBatches: count,
  /** Since valid was last measured, or the epoch began. */
  sums: sumsSchema,
  /** Since losses were last logged. */
  logSums: sumsSchema.default({}),
  rowsSinceEvaluation: count.default(0),
  /** Skipped batches of all epochs. */
  allSkippedBatches: count,
  /** Epoch and step of the best weights, 0 before there are some, and what was measured on valid then. */
  bestEpoch: count,
  bestStep: count.default(0),
  // What a report holds is only shown again.
  bestReport: z
    .record(z.string(), z.looseObject({ rows: count }))
    .nullable()
    .transform((report) => report as Report | null),
  /** The best value of each metric that is followed beside the monitored one. */
  bests: z.record(z.string(), valueSchema),
  stopping: stoppingStateSchema,
});

/** Where a training loop stands. The loop moves it on; it is whole between any two of its steps. */
export type LoopState = z.output<typeof loopStateSchema>;

/** How far a loop has come, or will have when the steps that it has begun are done. */
export interface LoopPosition {
  readonly step: number;
  readonly epoch: number;
  readonly rowsSinceEvaluation: number;
}

/** The loop's section of a checkpoint. */
export const loopSection: StateSection<LoopState> = { name: 'loop', version: 1, schema: loopStateSchema };

/** Where a loop starts. */
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

/** What is known of an epoch before its first batch. */
export function noEpoch(): Pick<LoopState, 'batch' | 'rows' | 'elapsedMs' | 'skippedBatches'> {
  return { batch: 0, rows: 0, elapsedMs: 0, skippedBatches: 0 };
}

/** What is known since valid was last measured, when it was just measured. */
export function noInterval(): Pick<LoopState, 'sums'> {
  return { sums: {} };
}
