import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { wallClockMs } from '../../system/clock.js';
import { onDisk } from '../../io/disk.js';
import { isWriterAlive, removeWhole } from '../../io/temporary.js';
import {
  hashFiles,
  isSameContent,
  isSameSize,
  isSameStats,
  isStreamStats,
  readFileStats,
  type FileStats,
} from '../readers/fingerprint.js';
import { readManifest } from '../shards/manifest.js';
import { cacheFolders, CACHE_FOLDER } from './cache.js';
import { CacheIndex } from './cache-index.js';
import { parseSourceName, VERSION, type CacheEntry } from './entry.js';
import { EntryIndex, countFileBytes } from './entry-index.js';
import { usedEntries } from './leases.js';

/** Number of newest entries per slot that are not superseded, so that two models can be compared. */
const KEPT_OF_SLOT = 2;
/** Time for which a write of another machine, boot or container counts as running. */
const UNKNOWN_MS = 24 * 3600 * 1000;

/** Directory of a cache: an entry, or the remains of one. */
export interface CachedFolder {
  readonly path: string;
  readonly bytes: number;
  /** Undefined for an incomplete entry. */
  readonly entry: CacheEntry | undefined;
  /** Number of stored rows, if the entry has rows and they were counted. */
  readonly rows: number | undefined;
  /**
   * Fits: its source is unchanged. Stale: its source has changed or is gone. Superseded: newer entries have the same
   * slot, with other fits. Unfinished: the run that wrote it was killed.
   */
  readonly state: 'fits' | 'stale' | 'superseded' | 'being written' | 'unfinished';
  /** Whether a live process uses it. */
  readonly isUsed: boolean;
  /** Milliseconds since the epoch. */
  readonly lastUsedMs: number;
}

/** Which entries are listed, and how thoroughly. */
interface Look {
  /** Sources of the entries to list; default: all. */
  readonly sources?: ReadonlySet<string>;
  /** Whether touched files are hashed to detect a change, and rows are counted. */
  readonly isThorough?: boolean;
}

/**
 * Lists the entries of sources.
 * @param configured cache directory of the config
 */
export async function listCached(
  sources: readonly { readonly path: string; readonly home: string }[],
  configured?: string,
): Promise<readonly CachedFolder[]> {
  const byFolder = new Map<string, Set<string>>();
  for (const { path, home } of sources)
    for (const folder of cacheFolders(path, configured, home))
      byFolder.set(folder, (byFolder.get(folder) ?? new Set()).add(path));
  const lists = [...byFolder]
    .filter(([folder]) => existsSync(folder))
    .map(([folder, own]) => listCache(folder, { sources: own, isThorough: true }));
  return (await Promise.all(lists)).flat();
}

/** Lists the entries of all sources in a directory, or of the directory itself if it is a cache. */
export async function keptIn(folder: string): Promise<readonly CachedFolder[]> {
  const beside = join(folder, CACHE_FOLDER);
  return [
    ...(await listCache(folder, { isThorough: true })),
    ...(existsSync(beside) ? await listCache(beside, { isThorough: true }) : []),
  ];
}

/**
 * Lists the entries of a cache directory, and the remains of interrupted writes. An entry is opened only if the index
 * lacks it or it was used since.
 */
export async function listCache(folder: string, look: Look = {}): Promise<readonly CachedFolder[]> {
  const found: CachedFolder[] = [];
  const index = new EntryIndex(folder);
  const listing: Listing = { ...look, folder, used: await usedEntries(folder), index, stats: new Map() };
  const all = await readdir(folder, { withFileTypes: true });
  const names = all.filter((each) => each.isDirectory()).map(({ name }) => name);
  index.retain(new Set(names));
  for (const name of names) {
    const path = join(folder, name);
    try {
      const listed = await lookAt(name, listing);
      if (listed !== undefined) found.push(listed);
    } catch (error) {
      // Another process has finished it or removed it since it was listed.
      if (existsSync(path)) throw error;
    }
  }
  index.save();
  return markSuperseded(found);
}

/** A cache directory that is listed. */
interface Listing extends Look {
  readonly folder: string;
  /** Names of entries that live processes use. */
  readonly used: ReadonlySet<string>;
  readonly index: EntryIndex;
  /** Stats by file, since several entries are of the same file. */
  readonly stats: Map<string, FileStats>;
}

async function lookAt(name: string, listing: Listing): Promise<CachedFolder | undefined> {
  const { folder, used, index, sources, isThorough = false } = listing;
  const path = join(folder, name);
  const owner = parseSourceName(name, true);
  const indexed = owner === undefined ? index.find(name) : undefined;
  const entry = indexed?.entry;
  // It is not part of the cache.
  if (entry === undefined && owner === undefined) return undefined;
  const isOwn =
    entry === undefined
      ? [...(sources ?? [])].some((source) => basename(source) === owner)
      : sources?.has(entry.source) === true;
  if (sources !== undefined && !isOwn) return undefined;
  const { bytes, lastUsedMs } = indexed ?? { bytes: countFileBytes(path), lastUsedMs: statSync(path).mtimeMs };
  const state =
    entry !== undefined
      ? (await isCurrent(path, entry, listing))
        ? 'fits'
        : 'stale'
      : isWritten(name, lastUsedMs)
        ? 'being written'
        : 'unfinished';
  const hasRows = isThorough && entry !== undefined && ['rows', 'local', 'counters', 'scores'].includes(entry.kind);
  const rows = hasRows ? (await readManifest(path))?.rows : undefined;
  return { path, bytes, entry, rows, state, isUsed: used.has(name), lastUsedMs };
}

/** Marks entries if enough newer ones have the same slot. */
function markSuperseded(all: readonly CachedFolder[]): readonly CachedFolder[] {
  const bySlot = new Map<string, CachedFolder[]>();
  for (const each of all) {
    if (each.entry === undefined || each.state !== 'fits') continue;
    const group = bySlot.get(each.entry.slot) ?? [];
    bySlot.set(each.entry.slot, group);
    group.push(each);
  }
  const superseded = new Set(
    [...bySlot.values()].flatMap((group) => group.sort((a, b) => b.lastUsedMs - a.lastUsedMs).slice(KEPT_OF_SLOT)),
  );
  return all.map((each) => (superseded.has(each) ? { ...each, state: 'superseded' } : each));
}

/** Returns whether the process that writes under a temporary name may be alive. */
function isWritten(name: string, writtenMs: number): boolean {
  return isWriterAlive(name) ?? wallClockMs() - writtenMs < UNKNOWN_MS;
}

/** Removes directories of a cache; a kill leaves none that appears complete. */
export async function removeCached(folders: readonly Pick<CachedFolder, 'path'>[]): Promise<void> {
  const index = new CacheIndex();
  for (const { path } of folders) {
    await onDisk(path, () => removeWhole(path));
    index.forget(path);
  }
  index.save();
}

/**
 * Returns whether the files of a source have the same content; they are read only if they were touched and have the
 * same size. Streams cannot be compared.
 */
async function isCurrent(
  path: string,
  { version, source, fingerprint, stats: all }: CacheEntry,
  { isThorough = false, stats: known }: Listing,
): Promise<boolean> {
  // A newer version of mtl decides on its entries.
  if (version !== VERSION) return version > VERSION;
  const stats = Object.fromEntries(Object.entries(all).filter(([, each]) => !isStreamStats(each)));
  const names = Object.keys(stats);
  // The data may be mounted under another path, with its cache next to it.
  const beside = join(dirname(dirname(path)), basename(source));
  const place = !existsSync(source) && existsSync(beside) ? beside : source;
  try {
    const files = names.map((name) => {
      const file = join(place, name);
      const found = known.get(file) ?? readFileStats(file);
      known.set(file, found);
      return [name, found['']!] as const;
    });
    const now = Object.fromEntries(files);
    return (
      isSameStats(stats, now) ||
      (isSameSize(stats, now) && (!isThorough || isSameContent(fingerprint, await hashFiles(place, names))))
    );
  } catch {
    return false;
  }
}
