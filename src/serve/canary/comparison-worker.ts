import { workerData } from 'node:worker_threads';
import { answerWith } from '../../system/thread.js';
import { LiveComparison, type ComparisonSpec, type LabeledRequest } from './live-comparison.js';
import type { Look } from './looks.js';

// Thread that compares the models of a canary: it sorts up to a million predictions, which would delay HTTP requests.

/** Adds labeled requests; the reply is an `Addition`. */
export interface AddRequests {
  readonly requests: readonly LabeledRequest[];
}

/** Result of labeled requests. */
export interface Addition {
  /** Number of rows that count. */
  readonly rows: number;
  /** Undefined before the next look of the rule. */
  readonly look: Look | undefined;
}

/** Requests the figures with a confidence level; the reply is `Figures`. */
export interface FiguresRequest {
  readonly confidence: number;
}

const comparison = new LiveComparison(workerData as ComparisonSpec);

answerWith((request) => {
  const message = request as AddRequests | FiguresRequest;
  if ('confidence' in message) return { result: comparison.figures(message.confidence) };
  const rows = comparison.add(message.requests);
  return { result: { rows, look: comparison.look() } satisfies Addition };
});
