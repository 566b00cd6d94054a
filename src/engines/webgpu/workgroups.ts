import type { TablePlace } from '../compile/tables.js';
import type { CallSize, OwnKernel } from './kernel.js';
import type { Planned } from './planned.js';
import { ROWS_OF_GROUP, THREADS } from './wgsl/prelude.js';

/** How many distinct rows and segments the index list of a table has. */
export interface ListSize {
  readonly distinct: number;
  readonly segments: number;
}

/**
 * How many workgroups a dispatch takes in three directions, for a batch of so many rows; 0 where there is nothing to
 * do. `listOf` gives the same object for a table each time.
 */
export type Workgroups = (rows: number, listOf: (table: TablePlace) => ListSize) => readonly [number, number, number];

/** What the size of a call is decided by, in a batch of so many rows, before its table's list is known. */
function sizeOf(
  { names, values, isRows }: Planned,
  rows: number,
): { -readonly [Key in keyof CallSize]: CallSize[Key] } {
  const known = new Map(names.map((name, i) => [name, isRows.includes(i) ? rows : values[i]!]));
  const of = (name: string): number => known.get(name) ?? 0;
  return { rows: names.includes('rows') ? of('rows') : rows, of, distinct: 0, segments: 0 };
}

/** Calls that take as many threads as one of them would with the longest list of theirs. */
interface Alike {
  readonly kernel: OwnKernel;
  readonly size: ReturnType<typeof sizeOf>;
  readonly lists: ListSize[];
}

/**
 * How many workgroups calls take that share a dispatch, `mostGroups` at the most: what no index list has a part in is
 * found once for batches of as many rows.
 */
export function workgroupsOf(calls: readonly Planned[], mostGroups: number): Workgroups {
  let lastRows = -1;
  let alike: readonly Alike[] = [];
  let [most, mostParts] = [0, 1];
  const found: [number, number, number] = [0, calls.length, 1];
  const look = (rows: number, listOf: (table: TablePlace) => ListSize): void => {
    const byKey = new Map<string, Alike>();
    [most, mostParts] = [0, 1];
    for (const call of calls) {
      const { name, kernel, table } = call;
      if (kernel.form !== 'own') throw new Error(`'${name}' has no dispatch of its own`);
      const size = sizeOf(call, rows);
      const asked: (string | number)[] = [name];
      const of: CallSize['of'] = (argument) => {
        asked.push(argument, size.of(argument));
        return size.of(argument);
      };
      const threads = kernel.threads({ ...size, of });
      mostParts = Math.max(mostParts, kernel.parts?.(size) ?? 1);
      if (table === undefined) {
        most = Math.max(most, threads);
        continue;
      }
      const key = [...asked, size.rows].join(' ');
      const known = byKey.get(key);
      if (known === undefined) byKey.set(key, { kernel, size, lists: [listOf(table)] });
      else known.lists.push(listOf(table));
    }
    alike = [...byKey.values()];
  };
  return (rows, listOf) => {
    if (lastRows !== rows) look(rows, listOf);
    lastRows = rows;
    let threads = most;
    for (const { kernel, size, lists } of alike) {
      let [distinct, segments] = [0, 0];
      for (let i = 0; i < lists.length; i++) {
        const list = lists[i]!;
        if (list.distinct > distinct) distinct = list.distinct;
        if (list.segments > segments) segments = list.segments;
      }
      [size.distinct, size.segments] = [distinct, segments];
      threads = Math.max(threads, kernel.threads(size));
    }
    found[0] = Math.min(mostGroups, Math.ceil(threads / THREADS));
    found[2] = mostParts;
    return found;
  };
}

/** How many workgroups calls by rows take that follow each other. */
export function workgroupsInTurn(calls: readonly Planned[]): Workgroups {
  let last: { readonly rows: number; readonly found: readonly [number, number, number] } | undefined;
  return (rows) => {
    if (last?.rows !== rows)
      last = {
        rows,
        found: [Math.ceil(Math.max(...calls.map((call) => sizeOf(call, rows).rows)) / ROWS_OF_GROUP), 1, 1],
      };
    return last.found;
  };
}
