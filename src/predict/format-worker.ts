import { workerData } from 'node:worker_threads';
import { answerWith } from '../system/thread.js';
import type { ScoredRows } from './scored-rows.js';
import type { FormatSpec } from './text-writer.js';
import { TEXT_FORMATS } from './text-writers.js';

// A thread that formats rows as text.

// Passed by `textWriter`.
const { columns, format } = workerData as FormatSpec;
const formatter = TEXT_FORMATS[format](columns);

answerWith((rows) => {
  const bytes = formatter.format(rows as ScoredRows);
  return { result: bytes, transfer: [bytes.buffer as ArrayBuffer] };
});
