import { workerData } from 'node:worker_threads';
import type { Fitted } from '../../features/feature-types.js';
import { answerWith } from '../../system/thread.js';
import type { FileColumns } from '../readers/cell-file.js';
import { encodedFormat, rowFormatOf, type FormatSpec } from '../rows/row-format.js';
import { createLineEncoder } from './encode-lines.js';
import type { EncodeRequest } from './encode-pool.js';

// A thread that encodes plain lines.

/** What the thread is started with. */
export interface WorkerSpec {
  readonly file: FileColumns;
  readonly spec: FormatSpec;
  readonly fitted: Fitted;
  readonly kept: readonly string[];
}

// Passed by `EncodePool`.
const { file, spec, fitted, kept } = workerData as WorkerSpec;
const encode = createLineEncoder(file, encodedFormat(rowFormatOf(spec), fitted), kept);

answerWith((request) => {
  if (request === undefined) return { result: 'ready' };
  const result = encode(request as EncodeRequest);
  return { result, transfer: [result.packed] };
});
