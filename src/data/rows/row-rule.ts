/** Rows by the reason of their exclusion, though they are valid. */
export type LeftOut = ReadonlyMap<string, number>;

/** Adds counts of excluded rows. */
export function countLeftOut(
  counts: Map<string, number>,
  more: Iterable<readonly [reason: string, rows: number]>,
): void {
  for (const [reason, rows] of more) counts.set(reason, (counts.get(reason) ?? 0) + rows);
}
