import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { listTasks } from '../config/experiment.js';
import { loadConfig } from '../config/load.js';
import { withoutRuns } from '../core/tasks.js';
import { keptIn, listCached, removeCached, type CachedFolder } from '../data/cache/cache-list.js';
import { describeData } from '../data/info/describe-data.js';
import { withTables } from '../data/sources/event-logs.js';
import { createRowFormat } from '../data/rows/row-format.js';
import { listSources } from '../data/sources/find-files.js';
import { cachedPaths } from '../data/options.js';
import type { ReadProgress } from '../data/sources/source.js';
import { readManifest } from '../data/shards/manifest.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { dataReport } from './data-report.js';
import { count, shareLine } from './format.js';
import { createOutput } from './output.js';

export interface DataArguments {
  readonly path: string;
  readonly json: boolean;
}

/**
 * Runs `mtl data info`: describes the data of a config, a directory of shards, or cache entries. Returns the exit code.
 */
export async function runDataInfo({ path, json }: DataArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  const manifest = await readManifest(path);
  if (manifest !== undefined) {
    screen.print(`${path}: ${count(manifest.rows)} rows in ${count(manifest.shards.length)} shards`);
    for (const column of manifest.columns)
      screen.print(
        `  ${column.name.padEnd(16)} ${column.kind}${'size' in column ? `, ids below ${count(column.size)}` : ''}`,
      );
    result({ path, rows: manifest.rows, columns: manifest.columns, shards: manifest.shards });
    return EXIT_CODES.done;
  }
  const found = await findEntries(path);
  const entries = found.map(({ entry, ...rest }) => ({ ...rest, kind: entry?.kind, source: entry?.source }));
  if (isConfig(path)) {
    const { experiment } = await loadConfig(path);
    const { data, features } = experiment;
    const spec = { tasks: withoutRuns(listTasks(experiment)), groups: Object.values(features), cells: data };
    const onProgress = ({ what, share }: ReadProgress): void => screen.live(() => shareLine(what, share));
    const access = { cache: { folder: data.cache, onWarning: warn }, onProgress };
    const format = await withTables(createRowFormat(spec), data, access);
    const description = await describeData(data, format, access);
    screen.print(dataReport(description, screen));
    result({ path, ...description, cacheEntries: entries });
    return EXIT_CODES.done;
  }
  if (found.length === 0) screen.print(`no cache entries for ${path}`);
  for (const folder of found) screen.print(formatEntry(folder));
  result({ path, cacheEntries: entries });
  return EXIT_CODES.done;
}

/** Runs `mtl data clean`: removes cache entries, or only stale ones. Returns the exit code. */
export async function runDataClean({
  path,
  json,
  stale,
}: DataArguments & { readonly stale: boolean }): Promise<number> {
  const { screen, result } = createOutput(json);
  const found = (await findEntries(path)).filter(({ state }) =>
    stale ? state === 'stale' : state !== 'being written',
  );
  await removeCached(found);
  const bytes = found.reduce((sum, folder) => sum + folder.bytes, 0);
  screen.print(
    found.length === 0
      ? `nothing to remove for ${path}`
      : `removed ${count(found.length)} entries, ${megabytes(bytes)}`,
  );
  result({ path, removed: found.map((folder) => folder.path), bytes });
  return EXIT_CODES.done;
}

/** Finds the cache entries of a config's data, of a data file, of all files in a directory, or in a cache. */
async function findEntries(path: string): Promise<readonly CachedFolder[]> {
  if (!existsSync(path))
    throw userError('data', {
      where: path,
      message: 'no such file or directory',
      fix: 'pass a config, a data file, a data directory or a cache',
    });
  const found = new Map<string, CachedFolder>();
  const add = (folders: readonly CachedFolder[]): void => folders.forEach((folder) => found.set(folder.path, folder));
  if (isConfig(path)) {
    const { data } = (await loadConfig(path)).experiment;
    for (const paths of cachedPaths(data)) add(await listCached(listSources(paths), data.cache));
  } else {
    const full = resolve(path);
    add(await listCached(listSources(full)));
    if (statSync(full).isDirectory()) add(await keptIn(full));
  }
  return [...found.values()];
}

const isConfig = (path: string): boolean => /\.ya?ml$/.test(path);

const ROWS = { rows: 'encoded', local: 'partly encoded', counters: 'counted', scores: 'scored' } as const;

function formatEntry({ path, bytes, entry, rows, state }: CachedFolder): string {
  const description =
    entry === undefined
      ? 'incomplete'
      : entry.kind === 'fitted'
        ? `vocabularies and scales of ${entry.source}`
        : entry.kind === 'stream'
          ? 'bytes of a stream'
          : entry.kind === 'events'
            ? `sorted events of ${entry.source}`
            : `${count(rows ?? 0)} ${ROWS[entry.kind]} rows of ${entry.source}`;
  return `${state.padEnd(13)} ${megabytes(bytes).padStart(12)}  ${description}\n${' '.repeat(28)}${path}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
