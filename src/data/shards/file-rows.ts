import { z } from 'zod';
import type { Manifest } from './manifest.js';

/** Key of the manifest. */
export const FILE_ROWS = 'fileRows';

const fileRowsSchema = z.array(z.int().min(0));

/** Returns the number of rows of each file that was read, in order; undefined if it was one file. */
export function fileRowsOf({ about }: Manifest): readonly number[] | undefined {
  const parsed = fileRowsSchema.safeParse(about[FILE_ROWS]);
  return parsed.success ? parsed.data : undefined;
}
