import type { TokenCounts } from '../core/token-counts.js';
import type { Report } from '../evaluation/evaluation.js';
import type { PlanSize } from '../engines/plan-size.js';
import type { WindowReport } from './progressive.js';
import type { StopReason, ValidationEvent } from './loop.js';
import type { StepProgress } from './steps-in-flight.js';

/** Description of a run before it starts. */
export interface TrainStart extends PlanSize {
  readonly run: string;
  readonly model: string;
  readonly engine: string;
  /** Undefined on a stream. */
  readonly epochs?: number | undefined;
  /** Steps per epoch, if none is skipped; undefined on a stream. */
  readonly epochSteps?: number | undefined;
  /** Metric that selects the best epoch. */
  readonly monitor: string;
  /** Learning rate of dense weights, before the schedule. */
  readonly learningRate: number;
}

/** A window of a stream, with the records that were read for it. */
export interface StreamWindow extends WindowReport {
  readonly step: number;
  /** Records of the window, with those that were not trained on. */
  readonly records: number;
  readonly rejected: number;
  /** Records that are older than one before them, and those that are too old. */
  readonly outOfOrder: number;
  readonly late: number;
  /** What the source has left to read, if it is known. */
  readonly lag?: { readonly amount: number; readonly unit: string } | undefined;
  /** Training time so far. */
  readonly elapsedMs: number;
  /** By the field that has the vocabulary; absent if none grows. */
  readonly vocabularies?: Readonly<Record<string, TokenCounts>>;
}

/** Callbacks for the events of a run. */
export interface TrainObserver {
  /** @param progress of reading data before the first step: the current task, and the share that is done */
  onRead(progress: { readonly what: string; readonly share: number }): void;
  /** Reports something that is not an error: the source of a resumed run, a damaged checkpoint. */
  onWarning(text: string): void;
  onStart(start: TrainStart): void;
  onStep(progress: StepProgress): void;
  /** The result is awaited before the next step. */
  onValidation(milestone: ValidationEvent): unknown;
  /** Receives each window of a stream. */
  onWindow?(window: StreamWindow): void;
}

/** A simple model on the same features, to compare the run with. */
export interface Baseline {
  readonly name: string;
  /** Training rows that it read, in all passes. */
  readonly rows: number;
  /** Split of its metrics. */
  readonly split: string;
  readonly metrics: Report;
}

/** Result of a run, printed with `--json` and stored in summary.json. */
export interface TrainResult {
  readonly run: string;
  readonly end: StopReason | 'interrupted';
  /** Name that the config gives. */
  readonly name: string;
  readonly model: string;
  readonly seed: number;
  /** The run's `--set` overrides. */
  readonly changes: readonly string[];
  /** Completed epochs, and steps. */
  readonly epochs: number;
  readonly steps: number;
  /** Epoch and step of the selected weights; 0 if nothing was measured. */
  readonly bestEpoch: number;
  readonly bestStep: number;
  /** Metric that selected the best epoch, and its value there; null without validation. */
  readonly monitor: string;
  readonly monitored: number | null;
  /** Metrics of the best weights, by split. */
  readonly metrics: Readonly<Record<string, Report>>;
  /** The baseline that was trained next to the run; absent if it was not. */
  readonly baseline?: Baseline | undefined;
  /** Number of invalid rows that were skipped. */
  readonly rejectedRows: number;
  /** Batches that were skipped because their loss was not finite. */
  readonly numSkippedBatches: number;
  /** Training time without evaluation, from the first epoch. */
  readonly elapsedMs: number;
  readonly rowsPerSecond: number;
  /** Time of this process, since the run started or resumed. */
  readonly totalMs: number;
  readonly peakMemoryBytes: number;
}
