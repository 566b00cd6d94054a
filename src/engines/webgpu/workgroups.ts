import type { TablePlace } from '../simd/tables.js';
import { argumentKind } from './arguments.js';
import type { CallSize } from './kernel.js';
import type { Planned } from './planned.js';
import { ROWS_OF_GROUP, THREADS } from './wgsl/prelude.js';

/** How many distinct rows and segments the index list of a table has. */
export interface ListSize {
  readonly distinct: number;
  readonly segments: number;
}

/** How many workgroups a dispatch takes in three directions, for a batch of so many rows; 0 where there is nothing to do. `listOf` gives the same object for a table each time. */
export type Workgroups = (rows: number, listOf: (table: TablePlace) => ListSize) => readonly [number, number, number];

const MOST_GROUPS = 65_535;

/** What decides how many threads a call takes, but for the rows of its table. */
const sizeKey = ({ name, names, values, isRows }: Planned): string => [name, isRows, ...names.map((argument, i) => (['address', 'table'].includes(argumentKind(name, argument)) ? values[i] !== 0 : values[i]))].join(' ');

/** What the size of a call is decided by, in a batch of so many rows, before its table's list is known. */
function sizeOf({ names, values, isRows }: Planned, rows: number): { -readonly [Key in keyof CallSize]: CallSize[Key] } {
  const of = (name: string): number => (isRows.includes(names.indexOf(name)) ? rows : values[names.indexOf(name)] ?? 0);
  return { rows: names.includes('rows') ? of('rows') : rows, of, distinct: 0, segments: 0 };
}

/** How many workgroups calls take that share a dispatch: what no index list has a part in is found once for batches of as many rows. */
export function workgroupsOf(calls: readonly Planned[]): Workgroups {
  const alike = [...new Set(calls.map(sizeKey))].flatMap((key) => {
    const same = calls.filter((call) => sizeKey(call) === key);
    const { kernel } = same[0]!;
    return kernel.form === 'own' ? [{ call: same[0]!, kernel, tables: same.flatMap(({ table }) => table ?? []) }] : [];
  });
  const hasLists = alike.some(({ tables }) => tables.length > 0);
  let lists: readonly (readonly ListSize[])[] | undefined;
  let lastRows = -1;
  let sizes: ReturnType<typeof sizeOf>[] = [];
  const found: [number, number, number] = [0, calls.length, 1];
  return (rows, listOf) => {
    if (lastRows === rows && !hasLists) return found;
    if (lastRows !== rows) sizes = alike.map(({ call }) => sizeOf(call, rows));
    lastRows = rows;
    lists ??= alike.map(({ tables }) => tables.map(listOf));
    let [most, mostParts] = [0, 1];
    for (let i = 0; i < alike.length; i++) {
      const [size, { kernel: { threads, parts } }] = [sizes[i]!, alike[i]!];
      [size.distinct, size.segments] = [0, 0];
      for (const { distinct, segments } of lists[i]!) {
        if (distinct > size.distinct) size.distinct = distinct;
        if (segments > size.segments) size.segments = segments;
      }
      most = Math.max(most, threads(size));
      if (parts !== undefined) mostParts = Math.max(mostParts, parts(size));
    }
    found[0] = Math.min(MOST_GROUPS, Math.ceil(most / THREADS));
    found[2] = mostParts;
    return found;
  };
}

/** How many workgroups calls by rows take that follow each other. */
export function workgroupsInTurn(calls: readonly Planned[]): Workgroups {
  let last: { readonly rows: number; readonly found: readonly [number, number, number] } | undefined;
  return (rows) => {
    if (last?.rows !== rows) last = { rows, found: [Math.ceil(Math.max(...calls.map((call) => sizeOf(call, rows).rows)) / ROWS_OF_GROUP), 1, 1] };
    return last.found;
  };
}
