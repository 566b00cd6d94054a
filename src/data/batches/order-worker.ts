import { workerData } from 'node:worker_threads';
import { answerWith } from '../../system/thread.js';
import { rowFormatOf } from '../rows/row-format.js';
import { joinedShards } from '../shards/joined-shards.js';
import { shardsIn } from '../shards/reader.js';
import { createOrderedReader } from './ordered-reader.js';
import type { OrderRequest, OrderSpec } from './pieces.js';

// The thread that reads rows and puts them in order while others train on those before.

// Given by `threadedPieces`.
const { folders, columns, spec, sizes } = workerData as OrderSpec;
const reader = createOrderedReader(joinedShards(folders.map(shardsIn)), columns, spec && rowFormatOf(spec), sizes);

answerWith(async (request) => {
  const { begin, seed, epoch } = request as OrderRequest;
  // What lies in shared memory is not copied on its way.
  return { result: await reader.take({ seed, epoch }, begin) };
});
