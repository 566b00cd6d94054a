import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../system/clock.js';
import type { BatchRead } from '../core/batch.js';
import type { Program } from '../engines/engine.js';
import { createCollector } from '../evaluation/evaluation.js';
import type { Measuring } from '../evaluation/options.js';
import type { Scores } from '../evaluation/scores.js';
import type { Output } from '../evaluation/outputs.js';
import type { KeyTexts } from '../core/row-key.js';
import type { LoopState } from './loop-state.js';
import { YIELD_EVERY_MS } from './loop.js';
import { addLosses, meanLoss, type WeightedTerm } from './loss-sums.js';
import type { Evaluation } from './monitor.js';

/** Rows per evaluation batch, independent of training: predictions of rows do not depend on each other. */
export const EVALUATION_BATCH_ROWS = 4096;

/** Options of an evaluation. */
export interface Evaluated {
  readonly outputs: readonly Output[];
  /** Metrics and segments; default: the default metrics. */
  readonly measuring?: Measuring;
  /** Strings of keys, by column. */
  readonly keyTexts?: ReadonlyMap<string, KeyTexts>;
  /** Terms of the loss, which the program computes. */
  readonly terms: readonly WeightedTerm[];
}

/** An evaluation that keeps all rows in memory. */
export interface EvaluatedRows extends Evaluation {
  /** Returns the rows of an output, with its predictions. */
  scores(output: Output): Scores;
}

/**
 * Evaluates all batches, with the EMA weights if there are any, and computes the metrics.
 * @param signal aborts the evaluation; its reason is thrown
 */
export async function evaluateBatches(
  program: Program,
  batches: AsyncIterable<BatchRead>,
  { outputs, measuring, keyTexts, terms }: Evaluated,
  signal: AbortSignal,
): Promise<EvaluatedRows> {
  const collector = createCollector(outputs, measuring);
  const sums: LoopState['sums'] = {};
  let yieldedMs = monotonicMs();
  await program.averaged(async () => {
    for await (const { batch } of batches) {
      const { predictions, losses } = await program.evaluate(batch);
      collector.add(batch, predictions);
      addLosses(sums, losses);
      if (monotonicMs() - yieldedMs >= YIELD_EVERY_MS) {
        await setImmediate();
        yieldedMs = monotonicMs();
      }
      signal.throwIfAborted();
    }
  });
  return {
    ...collector.measured(keyTexts),
    loss: meanLoss(sums, terms).total,
    scores: (output) => collector.scores(output),
  };
}
