import { setImmediate } from 'node:timers/promises';
import { monotonicMs } from '../clock.js';
import type { BatchRead } from '../batch.js';
import type { Program } from '../engines/engine.js';
import { createCollector, type Report } from '../evaluation/evaluation.js';
import type { Space } from '../evaluation/spaces.js';
import { YIELD_EVERY_MS } from './loop.js';

/** Rows of a batch in evaluation, whatever training uses: a row's prediction does not depend on the others. */
export const EVALUATION_BATCH_ROWS = 4096;

/**
 * Predicts all batches, in evaluation mode, and measures them together.
 * @param signal aborted to give up; its reason is thrown
 */
export async function measure(program: Program, batches: AsyncIterable<BatchRead>, spaces: readonly Space[], signal: AbortSignal): Promise<Report> {
  const collector = createCollector(spaces);
  let yieldedMs = monotonicMs();
  for await (const { batch } of batches) {
    collector.add(batch, await program.predict(batch));
    if (monotonicMs() - yieldedMs < YIELD_EVERY_MS) continue;
    await setImmediate();
    signal.throwIfAborted();
    yieldedMs = monotonicMs();
  }
  return collector.report();
}
