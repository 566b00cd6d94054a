import type { Report } from '../evaluation/evaluation.js';
import type { PlanSize } from '../engines/plan-size.js';
import type { StopReason, ValidationEvent, StepProgress } from './loop.js';

/** What a run is made of, told before it starts. */
export interface TrainStart extends PlanSize {
  readonly run: string;
  readonly model: string;
  readonly engine: string;
  readonly epochs: number;
  /** Steps of an epoch, where none is skipped. */
  readonly epochSteps: number;
  /** What chooses the best epoch. */
  readonly monitor: string;
  /** Of dense weights, before the schedule. */
  readonly learningRate: number;
}

/** Who is told what happens in a run. */
export interface TrainObserver {
  /** @param progress of reading data before the first step: what is being done, and the share that is done */
  onRead(progress: { readonly what: string; readonly share: number }): void;
  /** Something that should be known, though it is no error: what a run goes on from, a checkpoint that is damaged. */
  onWarning(text: string): void;
  onStart(start: TrainStart): void;
  onStep(progress: StepProgress): void;
  /** What it gives is waited for before the next step. */
  onMilestone(milestone: ValidationEvent): unknown;
}

/** How a run ended, and what came of it: what is printed with `--json`, and what summary.json holds. */
export interface TrainResult {
  readonly run: string;
  readonly end: StopReason | 'interrupted';
  /** Of the config. */
  readonly name: string;
  readonly model: string;
  readonly seed: number;
  /** What was set for the run beside its config, `--set` texts. */
  readonly changes: readonly string[];
  /** Whole epochs that are behind, and steps. */
  readonly epochs: number;
  readonly steps: number;
  /** The epoch and the step whose weights were evaluated and kept; 0 where none was measured. */
  readonly bestEpoch: number;
  readonly bestStep: number;
  /** What chose the best epoch, and its value there; null where valid was not measured. */
  readonly monitor: string;
  readonly monitored: number | null;
  /** By split, of the best weights. */
  readonly metrics: Readonly<Record<string, Report>>;
  /** Bad rows that were skipped. */
  readonly rejectedRows: number;
  /** Batches whose update was skipped since their loss was not finite. */
  readonly numSkippedBatches: number;
  /** Of training alone, without evaluation, from the first epoch on. */
  readonly elapsedMs: number;
  readonly rowsPerSecond: number;
  /** Of this process, from the beginning of the run or since it went on. */
  readonly totalMs: number;
  readonly peakMemoryBytes: number;
}
