/** A call of a phase, and what it reads and writes: pieces of memory by their numbers. */
export interface Node {
  /** Whether it may follow another in one dispatch, row by row. */
  readonly isByRows: boolean;
  readonly reads: ReadonlySet<number>;
  readonly writes: ReadonlySet<number>;
  /** Whether what it writes is written by no other such call, even in the same piece. */
  readonly isApart: boolean;
}

/**
 * Puts the calls of a phase by rows into as few groups as there can be: all calls by rows that are ready, which follow
 * each other, then all
 * others that are ready, none of which reads what another writes. Calls that have a piece of memory in common keep
 * their order.
 */
export function inGroups<Call extends Node>(
  calls: readonly Call[],
): readonly { readonly isByRows: boolean; readonly calls: readonly Call[] }[] {
  const meets = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => [...a].some((piece) => b.has(piece));
  const mustWait = (call: Call, other: Call): boolean =>
    !(call.isApart && other.isApart) &&
    (meets(other.writes, call.reads) || meets(other.writes, call.writes) || meets(other.reads, call.writes));
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
