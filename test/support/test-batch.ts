import type { Batch } from '../../src/core/batch.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { openSplits } from '../../src/data/sources/splits.js';
import type { TrainedModel } from '../../src/trained-model/trained-model.js';

/** Encodes the first rows of the test split of a model's config. */
export async function testBatch({ experiment, format }: TrainedModel, rows = 300): Promise<Batch> {
  const { test } = await openSplits({ test: experiment.data.test }, format, '');
  const dataset = await test!.dataset(format, { policy: refuseBadRows });
  for await (const { batch } of dataset.batches(rows)) return batch;
  throw new Error('the test split has no rows');
}
