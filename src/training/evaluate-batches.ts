import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../clock.js';
import type { BatchRead } from '../batch.js';
import type { Program } from '../engines/engine.js';
import { createCollector, type Report } from '../evaluation/evaluation.js';
import type { Space } from '../evaluation/spaces.js';
import type { LoopState } from './loop-state.js';
import { YIELD_EVERY_MS } from './loop.js';
import { addLosses, meanLoss, type WeightedTerm } from './loss-sums.js';

/** Rows of a batch in evaluation, whatever training uses: a row's prediction does not depend on the others. */
export const EVALUATION_BATCH_ROWS = 4096;

/**
 * Evaluates all batches, with the average of the weights where one is kept, and measures them together.
 * @param terms of the loss, which the program computes
 * @param signal aborted to give up; its reason is thrown
 */
export async function evaluateBatches(program: Program, batches: AsyncIterable<BatchRead>, spaces: readonly Space[], terms: readonly WeightedTerm[], signal: AbortSignal): Promise<{ readonly report: Report; readonly loss: number }> {
  const collector = createCollector(spaces);
  const sums: LoopState['sums'] = {};
  let yieldedMs = monotonicMs();
  await program.averaged(async () => {
    for await (const { batch } of batches) {
      const { predictions, losses } = await program.evaluate(batch);
      collector.add(batch, predictions);
      addLosses(sums, losses);
      if (monotonicMs() - yieldedMs < YIELD_EVERY_MS) continue;
      await setImmediate();
      signal.throwIfAborted();
      yieldedMs = monotonicMs();
    }
  });
  return { report: collector.report(), loss: meanLoss(sums, terms).total };
}
