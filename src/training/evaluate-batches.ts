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

/** Rows of a batch in evaluation, whatever training uses: a row's prediction does not depend on the others. */
export const EVALUATION_BATCH_ROWS = 4096;

/** What is evaluated. */
export interface Evaluated {
  readonly spaces: readonly Output[];
  /** What is measured of them; what is measured where nothing is said, where it is left out. */
  readonly measuring?: Measuring;
  /** Texts of keys, by column. */
  readonly keyTexts?: ReadonlyMap<string, KeyTexts>;
  /** Of the loss, which the program computes. */
  readonly terms: readonly WeightedTerm[];
}

/** What was found, with the rows themselves: whoever keeps it keeps all rows. */
export interface EvaluatedRows extends Evaluation {
  /** Those of a space, with its predictions. */
  scores(space: Output): Scores;
}

/**
 * Evaluates all batches, with the average of the weights where one is kept, and measures them together.
 * @param signal aborted to give up; its reason is thrown
 */
export async function evaluateBatches(
  program: Program,
  batches: AsyncIterable<BatchRead>,
  { spaces, measuring, keyTexts, terms }: Evaluated,
  signal: AbortSignal,
): Promise<EvaluatedRows> {
  const collector = createCollector(spaces, measuring);
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
    scores: (space) => collector.scores(space),
  };
}
