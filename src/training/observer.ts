import type { Report } from '../evaluation/evaluation.js';
import type { PlanSize } from '../engines/plan-size.js';
import type { LoopEnd, Milestone, StepProgress } from './loop.js';

/** What a run is made of, told before it starts. */
export interface TrainStart extends PlanSize {
  readonly run: string;
  readonly model: string;
  readonly engine: string;
  readonly epochs: number;
}

/** Who is told what happens in a run. */
export interface TrainObserver {
  /** @param progress of reading data before the first step: what is being done, and the share that is done */
  onRead(progress: { readonly what: string; readonly share: number }): void;
  /** Something that should be known, though it is no error: what a run goes on from, a checkpoint that is damaged. */
  onNotice(text: string): void;
  onStart(start: TrainStart): void;
  onStep(progress: StepProgress): void;
  onMilestone(milestone: Milestone): void;
}

/** How a run ended. */
export interface TrainResult {
  readonly run: string;
  readonly end: LoopEnd | 'interrupted';
  /** The epoch and the step whose weights were evaluated and kept; 0 where none was measured. */
  readonly bestEpoch: number;
  readonly bestStep: number;
  /** By split, of the best weights. */
  readonly metrics: Readonly<Record<string, Report>>;
  /** Bad rows that were skipped. */
  readonly numRejects: number;
  /** Batches whose update was skipped since their loss was not finite. */
  readonly numSkippedBatches: number;
}
