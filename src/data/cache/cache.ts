import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder, onDisk } from '../../io/disk.js';
import { systemCode, UserError } from '../../core/errors.js';
import { userCache } from '../../system/user-cache.js';
import { isSameContent, makeKey, type FileStats, type Fingerprint } from '../readers/fingerprint.js';
import { cacheLimit } from './cache-limit.js';
import { CacheIndex } from './cache-index.js';
import { ENTRY, entryText, renewStats, VERSION, type CacheEntry, type KeptFolder } from './entry.js';
import { takeEntry } from './leases.js';

// An entry of the cache is a directory: fitted vocabularies and scales, encoded rows, raw rows of a file or a pack of
// files, sorted events, or the bytes of a stream. Its name has the key of everything that determines it except the
// content of the files, which a file in it describes. Nothing else changes after the directory is renamed to its final
// name.

/** Cache directory next to the data. */
export const CACHE_FOLDER = '.mtl';

/** Request for an entry. */
export interface CacheRequest {
  readonly kind: CacheEntry['kind'];
  readonly source: string;
  /** Cache directory next to the data; default: next to the source. */
  readonly home?: string;
  readonly stats: FileStats;
  /** Content of the source; undefined if no entry can have it. */
  readonly fingerprint: Fingerprint | undefined;
  readonly recipe: Recipe;
}

/** Everything that determines an entry, except the content of files. */
export interface Recipe {
  readonly key: string;
  /** JSON: the part that does not depend on other files. */
  readonly slot: readonly unknown[];
}

/**
 * Makes a recipe.
 * @param learned JSON: the part that is fitted on other files
 */
export function recipe(kind: CacheEntry['kind'], slot: readonly unknown[], learned: readonly unknown[] = []): Recipe {
  return { key: makeKey(VERSION, kind, [...slot, ...learned]).slice(0, 12), slot };
}

const recipes = new WeakMap<object, Map<string, Recipe>>();

/** Creates a recipe once for all files with the same format and reading, since it may contain a vocabulary. */
export function sharedRecipe(format: object, reading: readonly unknown[], make: () => Recipe): Recipe {
  const ofFormat = recipes.get(format) ?? new Map<string, Recipe>();
  recipes.set(format, ofFormat);
  const key = JSON.stringify(reading);
  const found = ofFormat.get(key) ?? make();
  ofFormat.set(key, found);
  return found;
}

/** Location of the cache. */
export interface Cache {
  /** Directory of the config; default: next to the data. */
  readonly folder?: string | undefined;
  /** Receives a warning if the directory next to the data cannot be written and another one is used. */
  onWarning?(text: string): void;
}

/** A cache with the index of its entries. */
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
 * Returns a cache with its index, which all sources of the cache share.
 * @throws UserError (usage) if MTL_CACHE_SIZE is not a size
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
 * Lists the possible cache directories of a source, preferred ones first.
 * @param home cache directory next to the data
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

/** Finds the entry of a request; undefined if there is none. */
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

/** Returns the beginning of the names of entries, whatever the content of the source. */
const prefixOf = (kind: CacheRequest['kind'], source: string, { key }: Recipe): string =>
  `${basename(source)}.${kind}-${key}-`;

/**
 * Returns the directory of an entry, which is created if it does not exist. If several processes create it, all use the
 * directory of the first one to finish. No process evicts it before this one ends.
 * @param make creates the directory atomically with the file ENTRY, whose text `entry` returns for the content that was
 * read
 * @throws UserError (disk) if no directory can be written
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
  const path = join(folder, `${prefixOf(kind, source, recipe)}${makeKey(stats, fingerprint).slice(0, 8)}`);
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
        slot: makeKey(kind, source, recipe.slot),
      }),
    );
  } catch (error) {
    // If another process has created it, the system refuses to replace it.
    if (!(error instanceof UserError && error.kind === 'disk' && existsSync(join(path, ENTRY)))) throw error;
  }
  index.add(path);
  written.add(folder);
  return path;
}

/**
 * Returns the first directory that can be written.
 * @throws UserError (disk) if none can
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
