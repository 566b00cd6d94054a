import { rejectPolicy, type RejectPolicy } from '../data/rows/rejects.js';
import type { DataOptions } from '../data/options.js';
import { UserError, type Problem } from '../core/errors.js';

/** Maximum number of invalid rows of one file that are listed. */
const MAX_LISTED = 5;

/** Lets every invalid row pass, and keeps what training would say of the first ones. */
export interface ListedBadRows extends RejectPolicy {
  readonly problems: readonly Problem[];
}

/**
 * The policy of a config for invalid rows, whose errors are listed instead of thrown. Each row counts once, however
 * often it is read.
 */
export function listBadRows(data: Pick<DataOptions, 'onBadRow' | 'maxRejects'>): ListedBadRows {
  const policy = rejectPolicy(data);
  const problems: Problem[] = [];
  const seen = new Set<string>();
  const listed = new Map<string, number>();
  return {
    problems,
    get count() {
      return policy.count;
    },
    ...(policy.reasons !== undefined && { reasons: policy.reasons }),
    reject(row) {
      const place = `${row.path}:${row.line}`;
      const numListed = listed.get(row.path) ?? 0;
      if (seen.has(place) || numListed === MAX_LISTED) return;
      seen.add(place);
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
