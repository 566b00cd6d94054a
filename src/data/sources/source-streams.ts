import { existsSync } from 'node:fs';
import { UserError, userError, type Problem } from '../../core/errors.js';
import { indexedCache } from '../cache/cache.js';
import { findKeptStream } from '../cache/stream-store.js';
import { SPLITS, type DataOptions, type Paths, type Split } from '../options.js';
import { hasStandardInput, isStream, restoreStream, STDIN, streamIdentity } from '../readers/data-stream.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import type { DataState } from './data-state.js';

/** Descriptors of this process, such as the `<(…)` of a shell. */
const DESCRIPTOR = /^\/(dev\/(fd\/|stdin)|proc\/)/;

/**
 * Checks that no two splits read the same stream, unless one source is divided.
 * @throws UserError (config)
 */
export function checkStreams(files: { readonly [S in Split]?: Paths | undefined }): void {
  const seen = new Map<string, Split>();
  const problems: Problem[] = [];
  for (const split of SPLITS)
    for (const path of [files[split] ?? []].flat().filter(isStream)) {
      const other = seen.get(streamIdentity(path));
      seen.set(streamIdentity(path), split);
      if (other !== undefined && other !== split)
        problems.push({
          key: `data.${split}`,
          message: `is the same stream as data.${other}, ${path}, which can be read only once`,
          fix: 'divide it with data.source and data.split, or save it to files',
        });
    }
  if (problems.length > 0) throw new UserError('config', problems);
}

/**
 * Checks that the data of several ranks has no stream: each would get other rows.
 * @throws UserError (config)
 */
export function checkSharedData(data: DataOptions): void {
  for (const key of [...SPLITS, 'source'] as const)
    for (const path of [data[key] ?? []].flat().filter(isStream))
      throw userError('config', {
        key: `data.${key}`,
        message: `${path} is a stream, which several processes cannot share`,
        fix: 'save it to a file that all of them can read',
      });
}

/**
 * Provides the streams of a run from the cache, so that the run can resume.
 * @throws UserError (data) for a stream that is neither in the cache nor can be read again
 */
export async function restoreStreams(data: DataOptions, { fingerprints }: DataState): Promise<void> {
  const indexed = indexedCache({ folder: data.cache });
  for (const key of ['train', 'valid', 'source'] as const) {
    const known = fingerprints[key === 'source' ? 'train' : key];
    for (const path of [data[key] ?? []].flat()) {
      if (known === undefined || !(isStream(path) || DESCRIPTOR.test(path) || !existsSync(path))) continue;
      const content = contentOf(known, path);
      const kept = content && (await findKeptStream(indexed, content));
      if (kept !== undefined) restoreStream(path, kept);
      else if (path === STDIN ? !hasStandardInput() : DESCRIPTOR.test(path) && !existsSync(path))
        throw userError('data', {
          key: `data.${key}`,
          where: path,
          message: 'is a stream that cannot be read again, and its rows are no longer in the cache',
          fix: `pass the same data: --set data.${key}=FILE, or pipe it in with --set data.${key}=-`,
        });
    }
  }
}

/** Returns the content of one file of a fingerprint, whose names are the ends of paths. */
function contentOf(known: Fingerprint, path: string): Fingerprint[string] | undefined {
  const [only, ...others] = Object.values(known);
  return others.length === 0 ? only : Object.entries(known).find(([name]) => path.endsWith(`/${name}`))?.[1];
}
