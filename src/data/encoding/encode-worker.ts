import { workerData } from 'node:worker_threads';
import { answerWith } from '../../system/thread.js';
import { encodedFormat, createRowFormat } from '../rows/row-format.js';
import { createLineEncoder, type EncodeRequest, type WorkerSpec } from './encode-pool.js';

// A thread that encodes plain lines.

// Passed by `EncodePool`.
const { file, spec, fitted, kept } = workerData as WorkerSpec;
const encode = createLineEncoder(file, encodedFormat(createRowFormat(spec), fitted), kept);

answerWith((request) => {
  if (request === undefined) return { result: 'ready' };
  const result = encode(request as EncodeRequest);
  return { result, transfer: [result.packed] };
});
