import { appendFileSync } from 'node:fs';
import { quoted, userError, type Problem } from '../../core/errors.js';
import { onDiskSync } from '../../io/disk.js';
import { csvText } from '../../text/csv-text.js';
import type { DataOptions } from '../options.js';

/** An invalid row of a file. */
export interface BadRow {
  readonly path: string;
  readonly line: number;
  /** Column with the invalid value; undefined if the row as a whole is invalid. */
  readonly column: string | undefined;
  readonly value: string | undefined;
  readonly expected: string;
  /** Fix, if it is not to correct or to skip the row. */
  readonly cure?: string | undefined;
  readonly cells: readonly string[];
}

/** Rows by the reason of their exclusion, though they are valid. */
export type LeftOut = ReadonlyMap<string, number>;

/** Adds counts of excluded rows. */
export function countLeftOut(
  counts: Map<string, number>,
  more: Iterable<readonly [reason: string, rows: number]>,
): void {
  for (const [reason, rows] of more) counts.set(reason, (counts.get(reason) ?? 0) + rows);
}

/** Policy for invalid rows. */
export interface RejectPolicy {
  /** @throws UserError (data) unless invalid rows are skipped and there are not too many */
  reject(row: BadRow): void;
  /** Number of distinct rows that were skipped, in all passes over a file. */
  readonly count: number;
  /** Number of skipped rows by reason: the column and the expected value. */
  readonly reasons?: ReadonlyMap<string, number>;
}

/** Maximum number of reasons that are listed. */
const MAX_REASONS = 10;

/**
 * Creates the policy of a config.
 * @param path CSV file for skipped rows; default: they are not written
 */
export function rejectPolicy(
  { onBadRow, maxRejects }: Pick<DataOptions, 'onBadRow' | 'maxRejects'>,
  path?: string,
): RejectPolicy {
  return onBadRow === 'skip' ? skipBadRows(path, maxRejects) : refuseBadRows;
}

/** Throws for every invalid row. */
export const refuseBadRows: RejectPolicy = {
  count: 0,
  reject(row) {
    throw badRowError(row, row.cure ?? 'correct the row, or set data.onBadRow: skip');
  },
};

/**
 * Creates a policy that skips and counts invalid rows.
 * @param path CSV file for skipped rows with their reasons; undefined for none
 * @param maxRejects maximum number of invalid rows before an error
 */
export function skipBadRows(path: string | undefined, maxRejects: number): RejectPolicy {
  const seen = new Set<string>();
  const reasons = new Map<string, number>();
  return {
    get count() {
      return seen.size;
    },
    reasons,
    reject(row) {
      const place = rowPlace(row);
      // A file is read once per epoch.
      if (seen.has(place)) return;
      seen.add(place);
      const reason = `${row.column === undefined ? '' : `column ${quoted(row.column)}: `}expected ${row.expected}`;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (path !== undefined) writeReject(path, row, seen.size === 1);
      if (seen.size > maxRejects) {
        const all = path === undefined ? '' : `; all are in ${path}`;
        const cure = row.cure === undefined ? '' : `${row.cure}; `;
        throw badRowError(row, `${cure}invalid row ${seen.size} exceeds data.maxRejects: ${maxRejects}${all}`);
      }
    },
  };
}

/** Returns a policy that also passes the rows that it skips to a function. */
export function observing(policy: RejectPolicy, see: (row: BadRow) => void): RejectPolicy {
  return {
    get count() {
      return policy.count;
    },
    ...(policy.reasons !== undefined && { reasons: policy.reasons }),
    reject(row) {
      policy.reject(row);
      see(row);
    },
  };
}

/** Returns the location of an invalid row, for messages. */
export function rowPlace({ path, line }: Pick<BadRow, 'path' | 'line'>): string {
  return `${path}:${line}`;
}

/** Formats the reasons of skipped rows, the most frequent first; empty if no row was skipped. */
export function rejectNotices({
  count,
  reasons = new Map(),
}: Pick<RejectPolicy, 'count' | 'reasons'>): readonly string[] {
  if (count === 0) return [];
  const sorted = [...reasons].sort(([, a], [, b]) => b - a);
  const rest = sorted.slice(MAX_REASONS).reduce((sum, [, rows]) => sum + rows, 0);
  const listed = sorted.slice(0, MAX_REASONS);
  if (rest > 0) listed.push(['for other reasons', rest]);
  const width = String(sorted[0]![1]).length;
  const lines = listed.map(([reason, rows]) => `  ${String(rows).padStart(width)}  ${reason}`);
  return [['skipped invalid rows by reason:', ...lines].join('\n')];
}

/** Appends an invalid row with its reason to a CSV file, after the header if it is the first one. */
export function writeReject(path: string, row: BadRow, isFirst: boolean): void {
  const { path: file, line, column = '', value = '', expected, cells } = row;
  const header = isFirst ? [['file', 'line', 'column', 'value', 'reason', 'row']] : [];
  const fields = [file, line, column, value, `expected ${expected}`, csvText([cells]).trimEnd()];
  onDiskSync(path, () => appendFileSync(path, csvText([...header, fields])));
}

/** Describes an invalid row. */
export function badRowProblem(row: BadRow, fix = row.cure): Problem {
  const { column, value, expected } = row;
  const found = value === undefined ? '' : `, found ${quoted(value)}`;
  return {
    where: rowPlace(row),
    ...(column !== undefined && { key: `column ${quoted(column)}` }),
    message: `expected ${expected}${found}`,
    ...(fix !== undefined && { fix }),
  };
}

/** Creates the error for an invalid row. */
export function badRowError(row: BadRow, fix: string): Error {
  return userError('data', badRowProblem(row, fix));
}
