import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../clock.js';
import type { BatchRead } from '../batch.js';
import type { Program } from '../engines/engine.js';
import { createDivergenceGuard, type DivergenceGuard, type OnDivergence, type SkippedBatch } from './divergence.js';
import { noEpoch, type LoopState } from './loop-state.js';
import { addLosses, meanLoss, type EpochLoss, type WeightedTerm } from './loss-sums.js';
import type { Measurement } from './monitor.js';
import type { Stopping } from './stopping.js';

/** One epoch, behind. */
export interface EpochResult {
  /** Counted from 1. */
  readonly epoch: number;
  readonly step: number;
  readonly rows: number;
  /** Training alone, without the evaluation. */
  readonly elapsedMs: number;
  readonly loss: EpochLoss;
  readonly skippedBatches: number;
  readonly valid: Measurement | undefined;
  readonly isBest: boolean;
}

/** A step, as progress shows it. */
export interface StepProgress {
  readonly epoch: number;
  readonly rows: number;
  readonly totalRows: number;
  readonly elapsedMs: number;
}

/** What the loop works with. */
export interface LoopOptions {
  readonly program: Program;
  /** Where training stands: where the loop starts, and where it is whenever it waits for others. */
  readonly state: LoopState;
  readonly epochs: number;
  readonly terms: readonly WeightedTerm[];
  readonly stopping: Stopping;
  readonly onDivergence: OnDivergence;
  /** The batches of an epoch, counted from 1, from the one on before which `first` others lie. */
  batches(epoch: number, first: number): AsyncIterable<BatchRead>;
  /** Measures valid, where there is one. */
  readonly validate: (() => Promise<Measurement>) | undefined;
  /** Called before each step, after which the state is another: a time to save. */
  beforeStep(): Promise<void> | undefined;
  onStep(progress: StepProgress): void;
  onSkip(skipped: SkippedBatch): void;
  /** Called when an epoch is behind: the time to save. */
  onEpoch(result: EpochResult): Promise<void>;
  /** Aborted to stop after the step that runs. */
  readonly signal: AbortSignal;
}

/** How training ended. */
export type LoopEnd = 'finished' | 'stopped early';

/** Signals and timers run only when the event loop gets a turn. */
export const YIELD_EVERY_MS = 50;

/**
 * Trains epoch by epoch until the last, or until nothing improves.
 * @throws the signal's reason after the step in which it is aborted; UserError (diverged) for a loss that is not finite,
 *   naming the term, the step and the batch. The state is then where training stands.
 */
export async function trainLoop(options: LoopOptions): Promise<LoopEnd> {
  const { state, epochs, stopping } = options;
  const guard = createDivergenceGuard(options.program, options.onDivergence);
  while (state.epoch < epochs) {
    if (stopping.shouldStop()) return 'stopped early';
    await trainEpoch(options, guard);
    const valid = await options.validate?.();
    // Without valid, the newest weights are the best that is known; the first are, until others can be compared.
    const isBest = valid === undefined || stopping.observe(valid.monitored) || state.epoch === 0;
    const { step, rows, elapsedMs, skippedBatches } = state;
    const result = { epoch: state.epoch + 1, step, rows, elapsedMs, loss: meanLoss(state.sums, options.terms), skippedBatches, valid, isBest };
    if (isBest) Object.assign(state, { bestEpoch: result.epoch, bestReport: valid?.report ?? null });
    Object.assign(state, { ...noEpoch(), epoch: result.epoch, stopping: stopping.state() });
    await options.onEpoch(result);
    options.signal.throwIfAborted();
  }
  return 'finished';
}

/** Trains what is left of the epoch that is under way. */
async function trainEpoch({ program, state, signal, ...options }: LoopOptions, guard: DivergenceGuard): Promise<void> {
  const epoch = state.epoch + 1;
  let countedMs = monotonicMs();
  let yieldedMs = countedMs;
  let isSkipping = state.batch > 0;
  for await (const { batch, totalRows } of options.batches(epoch, state.batch)) {
    // Finding the way back into an epoch is no training, nor is saving.
    if (isSkipping) countedMs = monotonicMs();
    isSkipping = false;
    const saving = options.beforeStep();
    if (saving !== undefined) {
      await saving;
      countedMs = monotonicMs();
    }
    const { losses } = await program.trainStep(batch);
    const skipped = guard.check(losses, state);
    if (skipped === undefined) {
      state.step++;
      addLosses(state.sums, losses);
    } else {
      state.skippedBatches++;
      state.allSkippedBatches++;
      options.onSkip(skipped);
    }
    const nowMs = monotonicMs();
    state.batch++;
    state.rows += batch.rows;
    state.elapsedMs += nowMs - countedMs;
    countedMs = nowMs;
    options.onStep({ epoch, rows: state.rows, totalRows, elapsedMs: state.elapsedMs });
    if (nowMs - yieldedMs > YIELD_EVERY_MS) {
      await setImmediate();
      yieldedMs = nowMs;
    }
    signal.throwIfAborted();
  }
}
