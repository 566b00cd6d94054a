import { rejectPolicy, type RejectPolicy } from '../data/rows/rejects.js';
import type { DataOptions } from '../data/options.js';
import { UserError, type Problem } from '../core/errors.js';

/** Maximum number of invalid rows listed per file. */
const MAX_LISTED = 5;

/** Skips every invalid row and records the errors that training would report. */
export interface ListedBadRows extends RejectPolicy {
  readonly problems: readonly Problem[];
}

/**
 * Wraps the policy of a config for invalid rows: errors are recorded, not thrown. A row counts once, however often it
 * is read.
 */
export function listBadRows(data: Pick<DataOptions, 'onBadRow' | 'maxRejects'>): ListedBadRows {
  const policy = rejectPolicy(data);
  const problems: Problem[] = [];
  const reported = new Set<string>();
  const listed = new Map<string, number>();
  return {
    problems,
    get count() {
      return policy.count;
    },
    ...(policy.reasons !== undefined && { reasons: policy.reasons }),
    reject(row) {
      const location = `${row.path}:${row.line}`;
      const numListed = listed.get(row.path) ?? 0;
      if (reported.has(location) || numListed === MAX_LISTED) return;
      reported.add(location);
      try {
        policy.reject(row);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        listed.set(row.path, numListed + 1);
        problems.push(...error.problems);
      }
    },
  };
}
