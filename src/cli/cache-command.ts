import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { loadConfig } from '../config/load.js';
import { CACHE_FOLDER, cacheFolders } from '../data/cache/cache.js';
import { cacheLimit, sizeIn } from '../data/cache/cache-limit.js';
import { listCache, type CachedFolder } from '../data/cache/cache-list.js';
import { parseSourceName } from '../data/cache/entry.js';
import { chooseEvictions, tidyCache } from '../data/cache/tidy.js';
import { cachedPaths } from '../data/options.js';
import { listSources } from '../data/sources/find-files.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { bytes, count } from '../text/number-text.js';
import { shownPath } from '../runs/runs-root.js';
import { createOutput } from './output.js';

/** Maximum number of entries listed per cache. */
const SHOWN = 30;
/** Maximum depth of the search for caches below a directory. */
const DEPTH = 6;

export interface CacheArguments {
  readonly path: string;
  readonly prune: boolean;
  readonly maxSize: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * Runs `mtl data cache`: lists cache entries, or prunes useless ones and those beyond the limit. Returns the exit code.
 */
export async function runDataCache({ path, prune, maxSize, dryRun, json }: CacheArguments): Promise<number> {
  if (!prune && (maxSize !== undefined || dryRun)) {
    throw userError('usage', {
      where: dryRun ? '--dry-run' : '--max-size',
      message: 'requires --prune',
      fix: 'add --prune',
    });
  }
  const maxBytes = maxSize === undefined ? cacheLimit() : sizeIn('--max-size', maxSize);
  const { screen, result } = createOutput(json);
  const caches = [];
  for (const folder of await findCaches(path)) {
    const all = await listCache(folder);
    const evicted = !prune ? undefined : dryRun ? chooseEvictions(all, maxBytes) : await tidyCache(folder, maxBytes);
    const removed = evicted === undefined ? [] : [...evicted.useless, ...evicted.beyondLimit];
    if (all.length > 0) caches.push({ folder, all, removed });
    if (all.length === 0 || prune) continue;
    const size = `${bytes(sumBytes(all))} of at most ${bytes(maxBytes)}`;
    screen.print(`${shownPath(folder)}: ${count(all.length)} entries, ${size}`);
    const newest = [...all].sort((a, b) => b.lastUsedMs - a.lastUsedMs);
    for (const entry of newest.slice(0, SHOWN)) screen.print(`  ${formatEntry(entry)}`);
    if (newest.length > SHOWN) screen.print(`  and ${count(newest.length - SHOWN)} more; --json lists all`);
  }
  if (caches.length === 0) screen.print(`no cache in ${shownPath(path)}`);
  const freed = caches.flatMap(({ removed }) => removed);
  for (const { folder, all, removed } of prune ? caches : []) {
    screen.print(
      `${shownPath(folder)}: ${formatRemoval(removed, dryRun)}; ${bytes(sumBytes(all) - sumBytes(removed))} left`,
    );
  }
  result({
    caches: caches.map(({ folder, all }) => ({
      path: folder,
      bytes: sumBytes(all),
      maxBytes,
      entries: all.map(describe),
    })),
    ...(prune && { removed: freed.map((each) => each.path), bytes: sumBytes(freed), isDry: dryRun }),
  });
  return EXIT_CODES.done;
}

/** Finds the cache directories of a config's data, next to a data file, or in a directory and below it. */
async function findCaches(path: string): Promise<readonly string[]> {
  if (!existsSync(path)) {
    const fix = 'pass a config, a data file, a data directory or a cache';
    throw userError('data', { where: path, message: 'no such file or directory', fix });
  }
  const full = resolve(path);
  if (statSync(full).isDirectory()) return cachesBelow(full, DEPTH);
  const folders = new Set<string>();
  if (/\.ya?ml$/.test(path)) {
    const { data } = (await loadConfig(path)).experiment;
    for (const paths of cachedPaths(data)) {
      for (const { path: file, home } of listSources(paths)) {
        cacheFolders(file, data.cache, home).forEach((folder) => folders.add(folder));
      }
    }
  } else {
    folders.add(join(dirname(full), CACHE_FOLDER));
  }
  return [...folders].filter((folder) => existsSync(folder));
}

function cachesBelow(folder: string, depth: number): readonly string[] {
  if (basename(folder) === CACHE_FOLDER) return [folder];
  const isSearched = (name: string): boolean =>
    name === CACHE_FOLDER || (name !== 'node_modules' && !name.startsWith('.'));
  const below = readdirSync(folder, { withFileTypes: true }).filter(
    (each) => each.isDirectory() && isSearched(each.name),
  );
  // A directory that data.cache names holds the entries itself.
  const own = below.some(({ name }) => parseSourceName(name) !== undefined) ? [folder] : [];
  return own.length > 0 || depth === 0 ? own : below.flatMap(({ name }) => cachesBelow(join(folder, name), depth - 1));
}

/** Builds the JSON form of an entry. */
function describe({ path, bytes: size, state, isUsed, lastUsedMs, entry }: CachedFolder) {
  const lastUsed = new Date(lastUsedMs).toISOString();
  return { path, bytes: size, state, isUsed, lastUsed, kind: entry?.kind, source: entry?.source };
}

function formatEntry({ bytes: size, entry, state, isUsed, lastUsedMs }: CachedFolder): string {
  const kinds = {
    fitted: 'vocabularies and scales of',
    rows: 'encoded rows of',
    local: 'partly encoded rows of',
    counters: 'counters of',
    scores: 'predictions of a teacher for',
    events: 'sorted events of',
    stream: 'bytes of a',
  };
  const description = entry === undefined ? 'incomplete' : `${kinds[entry.kind]} ${shownPath(entry.source)}`;
  const used = new Date(lastUsedMs).toISOString().slice(0, 16).replace('T', ' ');
  return `${bytes(size).padStart(9)}  used ${used}  ${(isUsed ? 'in use' : state).padEnd(13)}  ${description}`;
}

function formatRemoval(removed: readonly CachedFolder[], isDry: boolean): string {
  if (removed.length === 0) return 'nothing to remove';
  return `${isDry ? 'would remove' : 'removed'} ${count(removed.length)} entries, ${bytes(sumBytes(removed))}`;
}

function sumBytes(folders: readonly CachedFolder[]): number {
  return folders.reduce((sum, folder) => sum + folder.bytes, 0);
}
