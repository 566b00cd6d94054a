import { z } from 'zod';
import type { RowBlock } from '../../chunks/row-block.js';
import type { Manifest } from './manifest.js';

const count = z.int().min(0);
const idCountsSchema = z.record(z.string(), z.strictObject({ ids: count, unknown: count }));

/** By column: its ids, or the items of its bags, and how many of them are 0, the unknown. */
export type IdCounts = z.output<typeof idCountsSchema>;

/** Adds the rows of a block to the counts. */
export function countIds({ rows, ids, bags }: RowBlock, counts: Map<string, IdCounts[string]>): void {
  const add = (name: string, data: Uint32Array, end: number): void => {
    const before = counts.get(name) ?? { ids: 0, unknown: 0 };
    counts.set(name, { ids: before.ids + end, unknown: before.unknown + countZeros(data, end) });
  };
  for (const [name, data] of ids) add(name, data, rows);
  for (const [name, { ids: items, offsets }] of bags) add(name, items, offsets[rows]!);
}

/** A function of its own, since V8 deoptimizes code after a loop that it optimizes while the loop runs. */
function countZeros(data: Uint32Array, end: number): number {
  let zeros = 0;
  for (let i = 0; i < end; i++) if (data[i] === 0) zeros++;
  return zeros;
}

/** What the writer of shards counted; nothing where it did not. */
export function idCountsOf({ about }: Manifest): ReadonlyMap<string, IdCounts[string]> {
  const parsed = idCountsSchema.safeParse(about['idCounts']);
  return new Map(parsed.success ? Object.entries(parsed.data) : []);
}
