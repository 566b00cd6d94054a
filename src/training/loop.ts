import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../clock.js';
import type { BatchRead } from '../batch.js';
import type { Program, TermLoss } from '../engines/engine.js';
import { userError } from '../errors.js';
import type { Report } from '../evaluation/evaluation.js';
import type { Stopping } from './stopping.js';

/** A term of the loss as the loop sums it up. */
export interface WeightedTerm {
  readonly name: string;
  readonly weight: number;
}

/** The mean loss of an epoch: each term over the rows that it counts, and their weighted sum. */
export interface EpochLoss {
  readonly total: number;
  readonly terms: Readonly<Record<string, number>>;
}

/** What was measured on valid. */
export interface Measurement {
  readonly report: Report;
  readonly loss: number;
  /** The value that chooses the best epoch, or null where it is not defined. */
  readonly monitored: number | null;
}

/** One epoch, behind. */
export interface EpochResult {
  /** Counted from 1. */
  readonly epoch: number;
  readonly step: number;
  readonly rows: number;
  /** Training alone, without the evaluation. */
  readonly elapsedMs: number;
  readonly loss: EpochLoss;
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
  readonly epochs: number;
  readonly terms: readonly WeightedTerm[];
  readonly stopping: Stopping;
  /** The batches of an epoch, counted from 1. */
  batches(epoch: number): AsyncIterable<BatchRead>;
  /** Measures valid, where there is one. */
  readonly validate: (() => Promise<Measurement>) | undefined;
  onStep(progress: StepProgress): void;
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
 * @throws the signal's reason after the step in which it is aborted; UserError (diverged) at the first loss that is not
 *   finite, naming the term, the step and the batch
 */
export async function trainLoop(options: LoopOptions): Promise<LoopEnd> {
  const { program, epochs, terms, stopping, validate, signal } = options;
  let step = program.state().step;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const sums = createLossSums(terms);
    const startMs = monotonicMs();
    let yieldedMs = startMs;
    let rows = 0;
    let batchNumber = 0;
    for await (const { batch, totalRows } of options.batches(epoch)) {
      const losses = await program.trainStep(batch);
      step++;
      batchNumber++;
      rows += batch.rows;
      checkFinite(losses, step, epoch, batchNumber);
      sums.add(losses);
      const nowMs = monotonicMs();
      options.onStep({ epoch, rows, totalRows, elapsedMs: nowMs - startMs });
      if (nowMs - yieldedMs > YIELD_EVERY_MS) {
        await setImmediate();
        yieldedMs = nowMs;
      }
      signal.throwIfAborted();
    }
    const elapsedMs = monotonicMs() - startMs;
    const valid = await validate?.();
    // Without valid, the newest weights are the best that is known; the first are, until others can be compared.
    const verdict = valid === undefined ? { isBest: true, shouldStop: false } : stopping.observe(valid.monitored);
    const isBest = verdict.isBest || epoch === 1;
    await options.onEpoch({ epoch, step, rows, elapsedMs, loss: sums.mean(), valid, isBest });
    signal.throwIfAborted();
    if (verdict.shouldStop && epoch < epochs) return 'stopped early';
  }
  return 'finished';
}

function createLossSums(terms: readonly WeightedTerm[]): { add(losses: ReadonlyMap<string, TermLoss>): void; mean(): EpochLoss } {
  const sums = new Map(terms.map(({ name }) => [name, { loss: 0, rows: 0 }]));
  return {
    add(losses) {
      for (const [name, { mean, rows }] of losses) {
        const sum = sums.get(name)!;
        sum.loss += mean * rows;
        sum.rows += rows;
      }
    },
    mean() {
      const means = new Map([...sums].map(([name, { loss, rows }]) => [name, rows === 0 ? 0 : loss / rows]));
      return { total: terms.reduce((total, { name, weight }) => total + weight * means.get(name)!, 0), terms: Object.fromEntries(means) };
    },
  };
}

function checkFinite(losses: ReadonlyMap<string, TermLoss>, step: number, epoch: number, batch: number): void {
  for (const [name, { mean }] of losses) {
    if (Number.isFinite(mean)) continue;
    throw userError('diverged', {
      where: `epoch ${epoch}, batch ${batch}, step ${step}`,
      key: `loss '${name}'`,
      message: `is ${mean}`,
      fix: 'lower the learning rate (--set training.optimizer.dense.learningRate=…), or look for extreme numbers in the data',
    });
  }
}
