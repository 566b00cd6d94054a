import { workerData } from 'node:worker_threads';
import type { DeltaSince } from '../runs/delta.js';
import { lowerThreadPriority } from '../system/priority.js';
import { answerWith } from '../system/thread.js';
import type { TableWriterSpec } from './messages.js';
import { TableWriter } from './table-writer.js';

// Thread that reads deltas and writes their rows to tables, to keep the HTTP thread and the prediction threads free.

lowerThreadPriority();

const writer = new TableWriter(workerData as TableWriterSpec);

/** A delta is prepared; undefined merges the last one. */
answerWith(async (request) => {
  if (request !== undefined) return { result: await writer.prepare(request as DeltaSince) };
  writer.merge();
  return { result: undefined };
});
