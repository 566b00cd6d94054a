import { z } from 'zod';
import type { Report } from '../evaluation/evaluation.js';
import type { StateSection } from '../state-section.js';
import { stoppingStateSchema } from './stopping.js';

const count = z.int().min(0);
const valueSchema = z.number().nullable();

/** Everything that a loop has to know to go on where another one stopped, but for the program's own state; JSON. */
const loopStateSchema = z.strictObject({
  /** Optimizer steps taken. */
  step: count,
  /** Whole epochs that are behind. */
  epoch: count,
  /** Of the epoch that is under way: batches that are behind, their rows, the time that they took, and the sums of their loss. */
  batch: count,
  rows: count,
  elapsedMs: z.number().min(0),
  sums: z.record(z.string(), z.strictObject({ loss: z.number(), rows: z.number().min(0) })),
  /** Batches whose update was skipped since their loss was not finite: in the epoch under way, and in all. */
  skippedBatches: count,
  allSkippedBatches: count,
  /** Epoch of the best weights, 0 before the first is behind, and what was measured on valid then. */
  bestEpoch: count,
  // What a report holds is only shown again.
  bestReport: z.record(z.string(), z.looseObject({ rows: count })).nullable().transform((report) => report as Report | null),
  /** The best value of each metric that is followed beside the monitored one. */
  bests: z.record(z.string(), valueSchema),
  stopping: stoppingStateSchema,
});

/** Where a training loop stands. The loop moves it on; it is whole between any two of its steps. */
export type LoopState = z.output<typeof loopStateSchema>;

/** The loop's section of a checkpoint. */
export const loopSection: StateSection<LoopState> = { name: 'loop', version: 1, schema: loopStateSchema };

/** Where a loop starts. */
export function firstLoopState(): LoopState {
  return {
    step: 0,
    epoch: 0,
    ...noEpoch(),
    allSkippedBatches: 0,
    bestEpoch: 0,
    bestReport: null,
    bests: {},
    stopping: { best: null, mark: null, epochsWithoutProgress: 0 },
  };
}

/** What is known of an epoch before its first batch. */
export function noEpoch(): Pick<LoopState, 'batch' | 'rows' | 'elapsedMs' | 'sums' | 'skippedBatches'> {
  return { batch: 0, rows: 0, elapsedMs: 0, sums: {}, skippedBatches: 0 };
}
