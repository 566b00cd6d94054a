import { existsSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { onDisk } from '../../disk.js';
import { systemCode } from '../../errors.js';
import { cacheFolders, CACHE_FOLDER } from './cache.js';
import { readEntry, VERSION, type CacheEntry } from './entry.js';
import { hashFiles, isSameContent, isSameSize, isSameStats, statsOf } from '../files/fingerprint.js';
import { readManifest } from '../shards/manifest.js';

/** A folder of a cache. */
export interface CachedFolder {
  readonly path: string;
  readonly bytes: number;
  /** What it keeps; undefined for one that is not whole. */
  readonly entry: CacheEntry | undefined;
  /** Rows that are kept, where rows are. */
  readonly rows: number | undefined;
  /** Fits: its source is as it was. Stale: it has changed since, or is gone. Unfinished: the run that wrote it was killed. */
  readonly state: 'fits' | 'stale' | 'being written' | 'unfinished';
}

/**
 * What is kept of a source.
 * @param configured the cache that a config asks for
 * @param home the folder beside the data, where that is not the one beside the source
 */
export async function keptOf(source: string, configured?: string, home?: string): Promise<readonly CachedFolder[]> {
  const lists = cacheFolders(source, configured, home).filter((folder) => existsSync(folder)).map((folder) => listCache(folder, source));
  return (await Promise.all(lists)).flat();
}

/** What is kept of all sources in a folder, or in the folder itself, if it is a cache. */
export async function keptIn(folder: string): Promise<readonly CachedFolder[]> {
  const beside = join(folder, CACHE_FOLDER);
  return [...(await listCache(folder)), ...(existsSync(beside) ? await listCache(beside) : [])];
}

async function listCache(folder: string, source?: string): Promise<readonly CachedFolder[]> {
  const found: CachedFolder[] = [];
  for (const { name } of (await readdir(folder, { withFileTypes: true })).filter((each) => each.isDirectory())) {
    const path = join(folder, name);
    const [, owner, pid] = /^\.(.+)\.(?:rows|local|fitted)-[0-9a-f-]+\.(\d+)-\d+\.tmp$/.exec(name) ?? [];
    const entry = pid === undefined ? await readEntry(path) : undefined;
    // What is neither whole nor the beginning of it is somebody else's.
    if (entry === undefined && pid === undefined) continue;
    if (source !== undefined && (entry === undefined ? owner !== basename(source) : entry.source !== source)) continue;
    const state = entry !== undefined ? ((await isCurrent(entry)) ? 'fits' : 'stale') : isRunning(Number(pid)) ? 'being written' : 'unfinished';
    try {
      const rows = entry?.kind === 'rows' || entry?.kind === 'local' ? (await readManifest(path))?.rows : undefined;
      found.push({ path, bytes: await sizeOf(path), entry, rows, state });
    } catch (error) {
      // Another process has finished it or removed it since it was listed.
      if (existsSync(path)) throw error;
    }
  }
  return found;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}

/** Removes folders of a cache. */
export async function removeCached(folders: readonly CachedFolder[]): Promise<void> {
  for (const { path } of folders) await onDisk(path, () => rm(path, { recursive: true, force: true }));
}

/** Whether the files of a source hold what they held; they are read only where they were touched and have the size that they had. */
async function isCurrent({ version, source, fingerprint, stats }: CacheEntry): Promise<boolean> {
  if (version !== VERSION) return false;
  const names = Object.keys(stats);
  try {
    const now = await statsOf(source, names);
    return isSameStats(stats, now) || (isSameSize(stats, now) && isSameContent(fingerprint, await hashFiles(source, names)));
  } catch {
    return false;
  }
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}
