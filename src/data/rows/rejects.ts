import { appendFileSync } from 'node:fs';
import { csvText } from '../../text/csv-text.js';
import { onDiskSync } from '../../io/disk.js';
import { quoted, userError } from '../../core/errors.js';
import type { DataOptions } from '../options.js';

/** A row that cannot be used: where it is, and why. */
export interface BadRow {
  readonly path: string;
  readonly line: number;
  /** The column at fault; undefined where the row as a whole is. */
  readonly column: string | undefined;
  readonly value: string | undefined;
  readonly expected: string;
  /** What to do, where that is not to correct or to skip the row. */
  readonly cure?: string | undefined;
  readonly cells: readonly string[];
}

/** What happens to bad rows. */
export interface RejectPolicy {
  /** @throws UserError (data) unless bad rows are skipped and there are not too many */
  reject(row: BadRow): void;
  /** Bad rows that were skipped, each counted once however often its file is read. */
  readonly count: number;
  /** The same by what was expected of which column. */
  readonly reasons?: ReadonlyMap<string, number>;
}

/** Reasons that are told one by one. */
const MAX_REASONS = 10;

/**
 * What a config says is done with bad rows.
 * @param path a CSV to write those to that are skipped, where one is wanted
 */
export function rejectPolicy(
  { onBadRow, maxRejects }: Pick<DataOptions, 'onBadRow' | 'maxRejects'>,
  path?: string,
): RejectPolicy {
  return onBadRow === 'skip' ? skipBadRows(path, maxRejects) : refuseBadRows;
}

/** Every bad row is an error. */
export const refuseBadRows: RejectPolicy = {
  count: 0,
  reject(row) {
    throw badRowError(row, row.cure ?? 'correct the row, or set data.onBadRow: skip');
  },
};

/**
 * Bad rows are skipped and counted.
 * @param path a CSV to write them to with their reasons, where one is wanted
 * @param maxRejects more bad rows than this are an error
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
      const place = `${row.path}:${row.line}`;
      // A file is read once an epoch; a row of it is told once.
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

/** A policy that takes down where the rows are that it lets pass. */
export function noting(policy: RejectPolicy, places: Set<string>): RejectPolicy {
  return {
    get count() {
      return policy.count;
    },
    reject(row) {
      policy.reject(row);
      places.add(`${row.path}:${row.line}`);
    },
  };
}

/** What to tell of rows that were skipped, when all have been read: a line a reason, the most frequent first. */
export function rejectNotices({ count, reasons = new Map() }: RejectPolicy): readonly string[] {
  if (count === 0) return [];
  const lines = [...reasons].sort(([, a], [, b]) => b - a);
  const width = String(lines[0]![1]).length;
  const rest = lines.slice(MAX_REASONS).reduce((sum, [, rows]) => sum + rows, 0);
  const told = lines.slice(0, MAX_REASONS).map(([reason, rows]) => `  ${String(rows).padStart(width)}  ${reason}`);
  return [
    [
      `skipped invalid rows by reason:`,
      ...told,
      ...(rest > 0 ? [`  ${String(rest).padStart(width)}  for other reasons`] : []),
    ].join('\n'),
  ];
}

function writeReject(
  path: string,
  { path: file, line, column, value, expected, cells }: BadRow,
  isFirst: boolean,
): void {
  const row = csvText([cells]).trimEnd();
  const lines = [
    ...(isFirst ? [['file', 'line', 'column', 'value', 'reason', 'row']] : []),
    [file, line, column ?? '', value ?? '', `expected ${expected}`, row],
  ];
  onDiskSync(path, () => appendFileSync(path, csvText(lines)));
}

function badRowError({ path, line, column, value, expected }: BadRow, fix: string): Error {
  const found = value === undefined ? '' : `, found ${quoted(value)}`;
  const problem = { where: `${path}:${line}`, message: `expected ${expected}${found}`, fix };
  return userError('data', column === undefined ? problem : { ...problem, key: `column ${quoted(column)}` });
}
