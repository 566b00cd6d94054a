import { constants, existsSync } from 'node:fs';
import { access, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { onDisk } from '../../disk.js';
import { systemCode, UserError } from '../../errors.js';
import { keyOf, type Fingerprint } from '../files/fingerprint.js';

// What was read from CSV and Parquet is kept in folders, one for what was fitted on a file and one for its encoded rows. Their
// names carry the key of all that decides what is in them, so that a folder that is there is one that fits; nothing is changed
// once it is renamed to its place.

/** The folder beside the data. */
export const CACHE_FOLDER = '.mtl';
/** Raise it when the same cells become other numbers, or files of the cache mean something else. */
const VERSION = 1;
/** The file of a folder that says what the folder is. */
export const ENTRY = 'entry.json';

const entrySchema = z.strictObject({
  format: z.literal('mtl cache'),
  version: z.number(),
  kind: z.enum(['fitted', 'rows']),
  /** The file that was read. */
  source: z.string(),
  fingerprint: z.record(z.string(), z.strictObject({ size: z.number(), mtimeNs: z.string(), ends: z.string() })),
});

/** What a folder of the cache says of itself. */
export type CacheEntry = z.output<typeof entrySchema>;

/** What is kept of a source. */
export interface CacheRequest {
  readonly kind: CacheEntry['kind'];
  readonly source: string;
  readonly fingerprint: Fingerprint;
  /** JSON: whatever else decides what is kept. */
  readonly recipe: unknown;
}

/** Where things are kept. */
export interface Cache {
  /** The folder that the config asks for; undefined for one beside the data. */
  readonly folder?: string | undefined;
  /** Told where the folder beside the data cannot be written and another one is taken. */
  onNotice?(text: string): void;
}

/** Where a source's folders may be, the first choice first. */
export function cacheFolders(source: string, configured: string | undefined): readonly string[] {
  if (configured !== undefined) return [configured];
  const own = userCache();
  return [join(dirname(source), CACHE_FOLDER), ...(own === undefined ? [] : [join(own, 'mtl')])];
}

/** The folder for what programs keep of a user's: paths that are empty or relative do not count (XDG Base Directory Specification). */
function userCache(): string | undefined {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  if (isAbsolute(given)) return given;
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    // A user whom the system does not know, as in containers.
    return undefined;
  }
}

/**
 * The folder that keeps what is asked for, made if it is not there yet. Others may make the same one at the same time: the
 * first one to finish wins, and the others take what it made.
 * @param make makes the folder in one step, with `entry` as the file ENTRY in it
 * @throws UserError (disk) where it can be written nowhere
 */
export async function cached(cache: Cache, request: CacheRequest, make: (path: string, entry: string) => Promise<void>): Promise<string> {
  const { kind, source, fingerprint, recipe } = request;
  const name = `${basename(source)}.${kind}-${keyOf(VERSION, kind, fingerprint, recipe).slice(0, 20)}`;
  const folders = cacheFolders(source, cache.folder);
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(join(path, ENTRY)));
  if (found !== undefined) return found;

  const folder = await writableFolder(folders, cache);
  const path = join(folder, name);
  const entry: CacheEntry = { format: 'mtl cache', version: VERSION, kind, source, fingerprint };
  try {
    await make(path, JSON.stringify(entry, null, 1));
  } catch (error) {
    // Where somebody else has made it meanwhile, the system refuses to put ours in its place.
    if (!(error instanceof UserError && error.kind === 'disk' && existsSync(join(path, ENTRY)))) throw error;
  }
  return path;
}

/** What a folder says of itself; undefined where it is none of the cache, or not whole. */
export async function readEntry(folder: string): Promise<CacheEntry | undefined> {
  try {
    return entrySchema.parse(JSON.parse(await readFile(join(folder, ENTRY), 'utf8')));
  } catch (error) {
    if (systemCode(error) !== undefined || error instanceof z.ZodError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The first folder that can be written. */
async function writableFolder(folders: readonly string[], cache: Cache): Promise<string> {
  const isWritable = async (folder: string): Promise<void> => {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  };
  for (const [i, folder] of folders.slice(0, -1).entries()) {
    try {
      await isWritable(folder);
      return folder;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      cache.onNotice?.(`${folder} cannot be written (${systemCode(error)}); encoded rows are kept in ${folders[i + 1]} (data.cache names another folder)`);
    }
  }
  const last = folders.at(-1)!;
  await onDisk(last, () => isWritable(last), 'make room, or name a folder that can be written with data.cache');
  return last;
}
