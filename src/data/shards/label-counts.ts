import { z } from 'zod';
import type { RowBlock } from '../../chunks/row-block.js';
import type { Manifest } from './manifest.js';

/** What the manifest calls them. */
export const LABEL_COUNTS = 'labelCounts';

const labelCountsSchema = z.record(z.string(), z.int().min(0));

/** By label column: rows in which it is 1. */
export type LabelCounts = ReadonlyMap<string, number>;

/** Adds the rows of a block to the counts. */
export function countLabels({ rows, labels }: RowBlock, counts: Map<string, number>): void {
  for (const [name, values] of labels) {
    let ones = 0;
    for (let row = 0; row < rows; row++) if (values[row] === 1) ones++;
    counts.set(name, (counts.get(name) ?? 0) + ones);
  }
}

/** What the writer of shards counted; nothing where it did not. */
export function labelCountsOf({ about }: Manifest): LabelCounts {
  const parsed = labelCountsSchema.safeParse(about[LABEL_COUNTS]);
  return new Map(parsed.success ? Object.entries(parsed.data) : []);
}
