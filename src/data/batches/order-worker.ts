import { workerData } from 'node:worker_threads';
import { answerWith } from '../../system/thread.js';
import { joinedShards } from '../shards/joined-shards.js';
import { shardsIn } from '../shards/reader.js';
import { ShuffledPieces, type OrderRequest, type OrderSpec } from './pieces.js';

// The thread of `ThreadedPieces`. It has two slots: one piece is in use, and the other is prefetched.

// `ThreadedPieces` passes this type.
const { folders, view, sizes } = workerData as OrderSpec;
const pieces = new ShuffledPieces(joinedShards(folders.map(shardsIn)), view, sizes, 2);

answerWith(async (request) => {
  const { begin, ...epoch } = request as OrderRequest;
  // Shared memory is not copied.
  return { result: await pieces.take(begin, epoch) };
});
