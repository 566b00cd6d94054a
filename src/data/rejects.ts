import { appendFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'csv-stringify/sync';
import { quoted, userError } from '../errors.js';

/** A row that cannot be used: where it is, and why. */
export interface BadRow {
  readonly path: string;
  readonly line: number;
  /** The column at fault; undefined where the row as a whole is. */
  readonly column: string | undefined;
  readonly value: string | undefined;
  readonly expected: string;
  readonly cells: readonly string[];
}

/** What happens to bad rows. */
export interface RejectPolicy {
  /** @throws UserError (data) unless bad rows are skipped and there are not too many */
  reject(row: BadRow): void;
  /** Bad rows that were skipped, each counted once however often its file is read. */
  readonly count: number;
}

/** Every bad row is an error. */
export const refuseBadRows: RejectPolicy = {
  count: 0,
  reject(row) {
    throw badRowError(row, "correct the row, or set data.onBadRow to 'skip'");
  },
};

/**
 * Bad rows go to a CSV with their reasons.
 * @param maxRejects more bad rows than this are an error
 */
export function skipBadRows(path: string, maxRejects: number): RejectPolicy {
  const seen = new Set<string>();
  return {
    get count() {
      return seen.size;
    },
    reject(row) {
      const place = `${row.path}:${row.line}`;
      // A file is read once an epoch; a row of it is told once.
      if (seen.has(place)) return;
      if (seen.size === 0) writeFileSync(path, stringify([['file', 'line', 'column', 'value', 'reason', 'row']]));
      seen.add(place);
      const reason = `expected ${row.expected}`;
      const cells = [row.path, row.line, row.column ?? '', row.value ?? '', reason, stringify([[...row.cells]]).trimEnd()];
      appendFileSync(path, stringify([cells]));
      if (seen.size > maxRejects) {
        throw badRowError(row, `this is bad row number ${seen.size} and data.maxRejects is ${maxRejects}; all are in ${path}`);
      }
    },
  };
}

function badRowError({ path, line, column, value, expected }: BadRow, fix: string): Error {
  const found = value === undefined ? '' : `, found ${quoted(value)}`;
  const problem = { where: `${path}:${line}`, message: `expected ${expected}${found}`, fix };
  return userError('data', column === undefined ? problem : { ...problem, key: `column ${quoted(column)}` });
}
