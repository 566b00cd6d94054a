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

/** Version of the cache: entries of other versions are not used. */
export const VERSION = 7;
/** File of an entry that describes it. */
export const ENTRY = 'entry.json';

/**
 * Kinds of entries: vocabularies and scales, encoded rows, raw rows before anything is fitted, counters of rows,
 * predictions of a teacher, sorted events, and the bytes of a stream.
 */
const KINDS = ['fitted', 'rows', 'local', 'counters', 'scores', 'events', 'stream'] as const;

/** Name of an entry: name of its source, kind, key of its recipe and key of its content. */
const NAME = `(.+)\\.(?:${KINDS.join('|')})-[0-9a-f]{12}-[0-9a-f]{8}`;
const [FINAL_NAME, TEMPORARY_NAME] = [new RegExp(`^${NAME}$`), new RegExp(`^\\.${NAME}\\..*\\.tmp$`)];

/**
 * Returns the name of the source of an entry; undefined for another directory.
 * @param isWritten whether `name` is the temporary name of a write. Default: false.
 */
export function parseSourceName(name: string, isWritten = false): string | undefined {
  return (isWritten ? TEMPORARY_NAME : FINAL_NAME).exec(name)?.[1];
}

const entrySchema = z.object({
  format: z.literal('mtl cache'),
  version: z.number(),
  kind: z.enum(KINDS),
  /** The file that was read. */
  source: z.string(),
  /** Content of the source. */
  fingerprint: z.record(z.string(), contentSchema),
  /** Stats of the source when its content was last verified. */
  stats: z.record(z.string(), fileStatsSchema),
  /**
   * Key of everything that determines the entry except the content of files: an entry supersedes earlier ones with the
   * same slot.
   */
  slot: z.string(),
});

/** Description of an entry. */
export type CacheEntry = z.output<typeof entrySchema>;

/** Directory of an entry. */
export interface KeptFolder {
  readonly path: string;
  readonly entry: CacheEntry;
}

/** Reads the description of an entry; undefined for another directory, or an incomplete entry. */
export function readEntry(folder: string): CacheEntry | undefined {
  try {
    return entrySchema.parse(JSON.parse(readFileSync(join(folder, ENTRY), 'utf8')));
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** Returns whether an error means that a file of an entry is missing or damaged. */
export function isDamage(error: unknown): boolean {
  return systemCode(error) !== undefined || error instanceof z.ZodError || error instanceof SyntaxError;
}

/** Returns the content of a source if entries have its stats and agree on the content. */
export function knownContent(kept: readonly KeptFolder[], stats: FileStats): Fingerprint | undefined {
  const [first, ...rest] = kept
    .filter(({ entry }) => isSameStats(entry.stats, stats))
    .map(({ entry }) => entry.fingerprint);
  return first !== undefined && rest.every((other) => isSameContent(first, other)) ? first : undefined;
}

/**
 * Updates an entry for a source that was touched or moved but has the same content, so that it is not hashed again.
 * @returns whether the entry was written
 */
export async function renewStats({ path, entry }: KeptFolder, source: string, stats: FileStats): Promise<boolean> {
  if (isSameStats(entry.stats, stats) && entry.source === source) return false;
  try {
    await writeFileAtomic(join(path, ENTRY), entryText({ ...entry, source, stats }));
    return true;
  } catch (error) {
    // The next run hashes the source again.
    if (!(error instanceof UserError && error.kind === 'disk')) throw error;
    return false;
  }
}

/** Formats the description of an entry. */
export function entryText(entry: CacheEntry): string {
  return JSON.stringify(entry, null, 1);
}
