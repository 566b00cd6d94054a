import type { BatchRead } from '../core/batch.js';
import { selectRows } from '../chunks/row-block.js';
import type { Program } from '../engines/engine.js';
import { createCollector, type Collector } from '../evaluation/evaluation.js';
import type { Measuring } from '../evaluation/options.js';
import type { Output } from '../evaluation/outputs.js';
import { drawing, randomStream } from '../core/random.js';

export interface PredictOptions {
  readonly program: Program;
  readonly dataset: { readonly rows: number; batches(size: number): AsyncIterable<BatchRead> };
  readonly outputs: readonly Output[];
  readonly measuring: Measuring;
  /** Maximum number of rows; data sets of equal length sample the same rows. */
  readonly limit: number;
  readonly batchRows: number;
  /** Called after each batch with the completed share; may yield to the event loop. */
  onShare(share: number): Promise<void>;
}

/**
 * Predicts rows and collects labels and predictions, about 10 bytes per row; uses the EMA of the weights if there is
 * one.
 */
export async function predictRows({
  program,
  dataset,
  outputs,
  measuring,
  limit,
  batchRows,
  onShare,
}: PredictOptions): Promise<Pick<Collector, 'blocks' | 'keys'>> {
  const collector = createCollector(outputs, measuring);
  const isSampled = createRowSampler(limit, dataset.rows);
  let numSeen = 0;
  await program.averaged(async () => {
    for await (const { batch } of dataset.batches(batchRows)) {
      const sampled = Array.from({ length: batch.rows }, (_, row) => row).filter(isSampled);
      if (sampled.length > 0) {
        const predictions = await program.predict(batch);
        if (sampled.length === batch.rows) collector.add(batch, predictions);
        else
          collector.add(
            selectRows(batch, sampled),
            new Map(
              Array.from(predictions, ([task, values]) => [task, Float32Array.from(sampled, (row) => values[row]!)]),
            ),
          );
      }
      numSeen += batch.rows;
      await onShare(numSeen / dataset.rows);
    }
  });
  return collector;
}

/** Returns a function to call per row, which returns whether it is sampled: the same rows for every model. */
export function createRowSampler(limit: number, rows: number): () => boolean {
  return drawing(limit, rows, randomStream(0, 'diff rows'));
}
