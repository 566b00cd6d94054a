import { workerData } from 'node:worker_threads';
import { answerWith } from '../../system/thread.js';
import { Shards } from '../shards/reader.js';
import { ShuffledPieces, type OrderRequest, type OrderSpec } from './pieces.js';

// The thread of `threadedPieces`. It has two slots: one piece is in use, and the other is prefetched.

// `threadedPieces` passes this type.
const { shards, view, sizes } = workerData as OrderSpec;
const pieces = new ShuffledPieces(new Shards(shards), view, sizes, 2);

answerWith(async (request) => {
  const { begin, ...epoch } = request as OrderRequest;
  // Shared memory is not copied.
  return { result: await pieces.take(begin, epoch) };
});
