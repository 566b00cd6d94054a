import { z } from 'zod';
import type { LeftOut } from '../rows/row-rule.js';
import type { Manifest } from './manifest.js';

/** What the manifest calls them. */
export const LEFT_OUT = 'leftOut';

const leftOutSchema = z.record(z.string(), z.int().min(0));

/** Rows that were left out, as whoever wrote the shards counted them; none where nobody did. */
export function leftOutOf({ about }: Manifest): LeftOut {
  const parsed = leftOutSchema.safeParse(about[LEFT_OUT]);
  return new Map(parsed.success ? Object.entries(parsed.data) : []);
}
