import type { Buffer } from '../compile/buffers.js';

/** A call of a phase with the buffers that it reads and writes. */
export interface Node {
  /** Whether it may follow another in one dispatch, row by row. */
  readonly isByRows: boolean;
  readonly reads: ReadonlySet<Buffer>;
  readonly writes: ReadonlySet<Buffer>;
  /** Whether no other such call writes the same elements, even in one buffer. */
  readonly isDisjoint: boolean;
}

/** Returns whether two sets have a buffer in common. */
export function intersects(a: ReadonlySet<Buffer>, b: ReadonlySet<Buffer>): boolean {
  for (const buffer of a) if (b.has(buffer)) return true;
  return false;
}

const mustWait = (call: Node, other: Node): boolean =>
  !(call.isDisjoint && other.isDisjoint) &&
  (intersects(other.writes, call.reads) ||
    intersects(other.writes, call.writes) ||
    intersects(other.reads, call.writes));

/**
 * Groups the calls of a phase, in as few groups as possible: all calls by rows that are ready, which follow each other,
 * then all others that are ready, none of which reads what another writes. Dependent calls keep their order.
 */
export function inGroups<Call extends Node>(
  calls: readonly Call[],
): readonly { readonly isByRows: boolean; readonly calls: readonly Call[] }[] {
  const before = calls.map((call, i) => calls.slice(0, i).flatMap((other, j) => (mustWait(call, other) ? [j] : [])));
  const groups: { isByRows: boolean; calls: Call[] }[] = [];
  const done = new Set<number>();
  for (let isByRows = true; done.size < calls.length; isByRows = !isByRows) {
    const group: number[] = [];
    for (const [i, call] of calls.entries()) {
      if (done.has(i) || call.isByRows !== isByRows) continue;
      if (before[i]!.every((j) => done.has(j) || (isByRows && group.includes(j)))) group.push(i);
    }
    for (const i of group) done.add(i);
    if (group.length > 0) groups.push({ isByRows, calls: group.map((i) => calls[i]!) });
  }
  return groups;
}
