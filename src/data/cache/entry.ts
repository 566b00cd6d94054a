import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { contentSchema } from '../../io/byte-hash.js';
import { writeFileAtomic } from '../../io/disk.js';
import { systemCode, UserError } from '../../core/errors.js';
import {
  fileStatsSchema,
  isSameContent,
  isSameStats,
  type FileStats,
  type Fingerprint,
} from '../readers/fingerprint.js';

/** Raise it when the same cells become other numbers, or files of the cache mean something else. */
export const VERSION = 5;
/** The file of a folder that says what the folder is. */
export const ENTRY = 'entry.json';

const entrySchema = z.object({
  format: z.literal('mtl cache'),
  version: z.number(),
  /** Vocabularies and scales, encoded rows, raw rows before anything is fitted, or the bytes of a stream. */
  kind: z.enum(['fitted', 'rows', 'local', 'stream']),
  /** The file that was read. */
  source: z.string(),
  /** What it held; entries of earlier versions do not tell, and stand for nothing. */
  fingerprint: z.record(z.string(), contentSchema).catch({}),
  /** What it was like when that was last known. */
  stats: z.record(z.string(), fileStatsSchema).default({}),
  /**
   * Key of what decides the entry beside the content of files: of two with the same, the later supersedes the earlier.
   * Versions before this key have none.
   */
  slot: z.string().optional(),
});

/** What a folder of the cache says of itself. */
export type CacheEntry = z.output<typeof entrySchema>;

/** A folder that is kept. */
export interface KeptFolder {
  readonly path: string;
  readonly entry: CacheEntry;
}

/** What a folder says of itself; undefined where it is none of the cache, or not whole. */
export function readEntry(folder: string): CacheEntry | undefined {
  try {
    return entrySchema.parse(JSON.parse(readFileSync(join(folder, ENTRY), 'utf8')));
  } catch (error) {
    if (systemCode(error) !== undefined || error instanceof z.ZodError || error instanceof SyntaxError)
      return undefined;
    throw error;
  }
}

/** What a source holds, where its stats are those of what is kept and all that is kept agrees on it. */
export function knownContent(kept: readonly KeptFolder[], stats: FileStats): Fingerprint | undefined {
  const [first, ...rest] = kept
    .filter(({ entry }) => isSameStats(entry.stats, stats))
    .map(({ entry }) => entry.fingerprint);
  return first !== undefined && rest.every((other) => isSameContent(first, other)) ? first : undefined;
}

/**
 * Has a folder know a source that was touched or moved and holds what it held, so that it is not read for it again.
 * @returns whether anything was written
 */
export async function renewStats({ path, entry }: KeptFolder, source: string, stats: FileStats): Promise<boolean> {
  if (isSameStats(entry.stats, stats) && entry.source === source) return false;
  try {
    await writeFileAtomic(join(path, ENTRY), entryText({ ...entry, source, stats }));
    return true;
  } catch (error) {
    // What cannot be written, or is gone by now, is read once more the next time.
    if (!(error instanceof UserError && error.kind === 'disk')) throw error;
    return false;
  }
}

/** The text of the file ENTRY. */
export function entryText(entry: CacheEntry): string {
  return JSON.stringify(entry, null, 1);
}
