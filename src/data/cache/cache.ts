import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder, onDisk } from '../../io/disk.js';
import { systemCode, UserError } from '../../core/errors.js';
import { userCache } from '../../system/user-cache.js';
import { isSameContent, keyOf, type FileStats, type Fingerprint } from '../readers/fingerprint.js';
import { cacheLimit } from './cache-limit.js';
import { CacheIndex } from './cache-index.js';
import { ENTRY, entryText, renewStats, VERSION, type CacheEntry, type KeptFolder } from './entry.js';
import { takeEntry } from './leases.js';

// What was read from CSV and Parquet is kept in folders: one for what was fitted on files, and of each file one for its
// encoded rows and
// perhaps one for its rows before anything was fitted. Their names carry the key of all that decides what becomes of
// the file, and a
// file in them tells what the file held; nothing else is changed once a folder is renamed to its place.

/** The folder beside the data. */
export const CACHE_FOLDER = '.mtl';

/** What is kept of a source. */
export interface CacheRequest {
  readonly kind: CacheEntry['kind'];
  readonly source: string;
  /** The folder beside the data for it, where that is not the one beside the source. */
  readonly home?: string;
  readonly stats: FileStats;
  /** What the source holds; undefined where nothing that is kept can be of it. */
  readonly fingerprint: Fingerprint | undefined;
  readonly recipe: Recipe;
}

/** What decides what is kept, besides the content of files. */
export interface Recipe {
  readonly key: string;
  /** JSON: the part of it that stays when files come or change. */
  readonly slot: readonly unknown[];
}

/**
 * Makes a recipe.
 * @param learned JSON: the part that is learned from other files
 */
export function recipe(kind: CacheEntry['kind'], slot: readonly unknown[], learned: readonly unknown[] = []): Recipe {
  return { key: keyOf(VERSION, kind, [...slot, ...learned]).slice(0, 12), slot };
}

const recipes = new WeakMap<object, Map<string, Recipe>>();

/** Makes a recipe once for all files of a format that are read alike, since it may contain a whole vocabulary. */
export function sharedRecipe(format: object, reading: readonly unknown[], make: () => Recipe): Recipe {
  const ofFormat = recipes.get(format) ?? new Map<string, Recipe>();
  recipes.set(format, ofFormat);
  const key = JSON.stringify(reading);
  const found = ofFormat.get(key) ?? make();
  ofFormat.set(key, found);
  return found;
}

/** Where things are kept. */
export interface Cache {
  /** The folder that the config asks for; undefined for one beside the data. */
  readonly folder?: string | undefined;
  /** Told where the folder beside the data cannot be written and another one is taken. */
  onWarning?(text: string): void;
}

/** The same, with what is known of its entries. */
export interface IndexedCache {
  readonly cache: Cache;
  readonly index: CacheIndex;
  /** Directories to which entries were added. */
  readonly written: Set<string>;
  /** Maximum size of a directory. */
  readonly maxBytes: number;
}

const indexedCaches = new WeakMap<Cache, IndexedCache>();

/**
 * Returns a cache with its index, which all sources share that are read through the cache.
 * @throws UserError (usage) for a value of MTL_CACHE_SIZE that is no size
 */
export function indexedCache(cache: Cache): IndexedCache {
  const found = indexedCaches.get(cache) ?? {
    cache,
    index: new CacheIndex(),
    written: new Set<string>(),
    maxBytes: cacheLimit(),
  };
  indexedCaches.set(cache, found);
  return found;
}

/**
 * Where a source's folders may be, the first choice first.
 * @param home the folder beside the data
 */
export function cacheFolders(
  source: string,
  configured: string | undefined,
  home = join(dirname(source), CACHE_FOLDER),
): readonly string[] {
  if (configured !== undefined) return [configured];
  const own = userCache();
  return [home, ...(own === undefined ? [] : [join(own, 'mtl')])];
}

/** The folder that keeps what is asked for; undefined where it is still to be made. */
export async function keptFor(
  { cache, index }: IndexedCache,
  { kind, source, home, fingerprint, recipe }: CacheRequest,
): Promise<KeptFolder | undefined> {
  if (fingerprint === undefined) return undefined;
  const kept = await index.entriesOf(source, cacheFolders(source, cache.folder, home));
  const prefix = prefixOf(kind, source, recipe);
  // Rows are in the order of files.
  const names = Object.keys(fingerprint);
  const isInOrder = (found: Fingerprint): boolean =>
    names.length === 1 || Object.keys(found).every((name, i) => name === names[i]);
  return kept.find(
    ({ path, entry }) =>
      basename(path).startsWith(prefix) &&
      isSameContent(entry.fingerprint, fingerprint) &&
      isInOrder(entry.fingerprint),
  );
}

/** What the names of folders begin with that keep something, whatever the source holds. */
const prefixOf = (kind: CacheRequest['kind'], source: string, { key }: Recipe): string =>
  `${basename(source)}.${kind}-${key}-`;

/**
 * The folder that keeps what is asked for, made if it is not there yet. Others may make the same one at the same time:
 * the
 * first one to finish wins, and the others take what it made. No process removes it before this one ends.
 * @param make makes the folder in one step, with the file ENTRY in it, whose text `entry` gives when it is known what
 * was read
 * @throws UserError (disk) where it can be written nowhere
 */
export async function cached(
  indexed: IndexedCache,
  request: CacheRequest,
  make: (path: string, entry: (read: Fingerprint) => string) => Promise<void>,
): Promise<string> {
  const { cache, index, written } = indexed;
  const { kind, source, home, stats, fingerprint, recipe } = request;
  const found = await keptFor(indexed, request);
  if (found !== undefined) {
    await takeEntry(found.path);
    if (index.touch(found.path)) {
      if (await renewStats(found, source, stats)) index.add(found.path);
      return found.path;
    }
    index.forget(found.path);
  }

  const folder = await writableFolder(cacheFolders(source, cache.folder, home), cache);
  const path = join(folder, `${prefixOf(kind, source, recipe)}${keyOf(stats, fingerprint).slice(0, 8)}`);
  await takeEntry(path);
  try {
    await make(path, (read) =>
      entryText({
        format: 'mtl cache',
        version: VERSION,
        kind,
        source,
        fingerprint: read,
        stats,
        slot: keyOf(kind, source, recipe.slot),
      }),
    );
  } catch (error) {
    // Where somebody else has made it meanwhile, the system refuses to put ours in its place.
    if (!(error instanceof UserError && error.kind === 'disk' && existsSync(join(path, ENTRY)))) throw error;
  }
  index.add(path);
  written.add(folder);
  return path;
}

/**
 * The first of some folders that can be written.
 * @throws UserError (disk) where none can
 */
export async function writableFolder(folders: readonly string[], cache: Cache): Promise<string> {
  const isWritable = async (folder: string): Promise<void> => {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  };
  for (const [i, folder] of folders.slice(0, -1).entries()) {
    try {
      await isWritable(folder);
      return folder;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      cache.onWarning?.(
        `cannot write ${folder} (${systemCode(error)}), so encoded rows are cached in ${folders[i + 1]}; set ` +
          'data.cache to another directory',
      );
    }
  }
  const last = folders.at(-1)!;
  await onDisk(last, () => isWritable(last), 'free disk space, or set data.cache to a writable directory');
  return last;
}
