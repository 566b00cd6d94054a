import type { TablePlace } from '../compile/tables.js';
import { isRef } from './arguments.js';
import { rowsIn, type DomainRows } from './domain-rows.js';
import type { CallSize, OwnKernel } from './kernel.js';
import type { Planned } from './planned.js';
import { ROWS_OF_GROUP, THREADS } from './wgsl/prelude.js';

/** Distinct rows and segments in the index list of a table. */
export interface ListSize {
  readonly distinct: number;
  readonly segments: number;
}

/** Returns the index list of a table; the same object for a table each time. */
type ListOf = (table: TablePlace) => ListSize;

/** Returns the workgroups of a dispatch in three dimensions, for the rows of a pass; 0 if there is nothing to do. */
export type Workgroups = (rows: DomainRows, listOf: ListOf) => readonly [number, number, number];

type Size = { -readonly [Key in keyof CallSize]: CallSize[Key] };

/** Returns the size of a call before the list of its table is known. */
function sizeOf({ of: { names }, operands }: Planned, rows: DomainRows): Size {
  const known = new Map(
    names.map((name, i) => {
      const operand = operands[i]!;
      return [name, typeof operand === 'number' ? operand : isRef(operand) ? 1 : rowsIn(rows, operand)];
    }),
  );
  return { rows: known.get('rows') ?? rows.batch, of: (name) => known.get(name) ?? 0, distinct: 0, segments: 0 };
}

/** Calls that all ask for the threads of the one with the longest index list. */
interface Alike {
  readonly kernel: OwnKernel;
  readonly size: Size;
  readonly lists: ListSize[];
}

/** What is known of the size of a dispatch from the rows of a pass. */
interface KnownSize {
  readonly threads: number;
  readonly parts: number;
  readonly alike: readonly Alike[];
}

function knownSize(calls: readonly Planned[], rows: DomainRows, listOf: ListOf): KnownSize {
  const byKey = new Map<string, Alike>();
  let [threads, parts] = [0, 1];
  for (const call of calls) {
    const {
      of: { name, kernel },
      table,
    } = call;
    if (kernel.form !== 'own') throw new Error(`'${name}' has no dispatch of its own`);
    const size = sizeOf(call, rows);
    const asked: (string | number)[] = [name];
    const of: CallSize['of'] = (argument) => {
      asked.push(argument, size.of(argument));
      return size.of(argument);
    };
    const minThreads = kernel.threads({ ...size, of });
    parts = Math.max(parts, kernel.parts?.(size) ?? 1);
    if (table === undefined) {
      threads = Math.max(threads, minThreads);
      continue;
    }
    const key = [...asked, size.rows].join(' ');
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, { kernel, size, lists: [listOf(table)] });
    else known.lists.push(listOf(table));
  }
  return { threads, parts, alike: [...byKey.values()] };
}

/** Returns a function that computes something from the rows of a pass, once for consecutive passes with the same. */
function perRows<Result>(
  calls: readonly Planned[],
  compute: (rows: DomainRows, listOf: ListOf) => Result,
): (rows: DomainRows, listOf: ListOf) => Result {
  const hasItems = calls.some(({ operands }) =>
    operands.some((operand) => typeof operand === 'object' && 'kind' in operand && operand.kind !== 'batch'),
  );
  let last: { readonly rows: DomainRows; readonly result: Result } | undefined;
  return (rows, listOf) => {
    if (last === undefined || last.rows.batch !== rows.batch || (hasItems && last.rows !== rows))
      last = { rows, result: compute(rows, listOf) };
    return last.result;
  };
}

/**
 * Returns the workgroups of calls that share a dispatch, at most `maxGroups`. What does not depend on index lists is
 * computed once for consecutive passes with the same rows.
 */
export function countWorkgroups(calls: readonly Planned[], maxGroups: number): Workgroups {
  const known = perRows(calls, (rows, listOf) => knownSize(calls, rows, listOf));
  const found: [number, number, number] = [0, calls.length, 1];
  return (rows, listOf) => {
    const { threads: minThreads, parts, alike } = known(rows, listOf);
    let threads = minThreads;
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
    found[0] = Math.min(maxGroups, Math.ceil(threads / THREADS));
    found[2] = parts;
    return found;
  };
}

/** Returns the workgroups of calls by rows that follow each other, at most `maxGroups` in a dimension. */
export function workgroupsInTurn(calls: readonly Planned[], maxGroups: number): Workgroups {
  return perRows(calls, (rows) => {
    const most = Math.max(...calls.map((call) => sizeOf(call, rows).rows));
    const groups = Math.ceil(most / ROWS_OF_GROUP);
    return [Math.min(groups, maxGroups), Math.ceil(groups / maxGroups), 1];
  });
}
