import { randomUUID } from 'node:crypto';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { remove, renameBusy } from '../../io/busy.js';
import type { Content } from '../../io/byte-hash.js';
import { makeFolder, onDisk, writeFolder, writeSynced } from '../../io/disk.js';
import { syncFile } from '../../io/sync-file.js';
import { temporaryPath } from '../../io/temporary.js';
import { userCache } from '../../system/user-cache.js';
import type { KeptStream, StreamStore } from '../readers/data-stream.js';
import { makeKey, streamStats } from '../readers/fingerprint.js';
import {
  cached,
  cacheFolders,
  keptFor,
  recipe,
  writableFolder,
  type CacheRequest,
  type IndexedCache,
} from './cache.js';
import { ENTRY } from './entry.js';
import { takeEntry } from './leases.js';

// The bytes of a stream are an entry of the cache that is found by their content, whatever the stream's path.

/** Source of the entries of streams. */
const SOURCE = 'stream';
/** File of an entry with the bytes. */
const DATA = 'data';
const FIX = 'free disk space, or set data.cache to another directory';

let home: string | undefined;

/**
 * Returns the default cache directory of streams: the cache of the user, or a temporary directory if it cannot be
 * written. The temporary one is removed when the process exits.
 */
export function streamHome(): string {
  if (home !== undefined) return home;
  const own = userCache();
  try {
    const folder = join(own!, 'mtl');
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return (home = folder);
  } catch {
    return (home = temporaryFolder());
  }
}

let temporary: string | undefined;

/** Returns a directory that is removed when the process exits. */
export function temporaryFolder(): string {
  if (temporary !== undefined) return temporary;
  const folder = mkdtempSync(join(tmpdir(), 'mtl-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return (temporary = folder);
}

/**
 * Opens a store that writes a stream to a cache. If the cache already has the same bytes, it keeps one copy.
 * @throws UserError (disk)
 */
export async function openStreamStore(indexed: IndexedCache): Promise<StreamStore> {
  const folder = await writableFolder(foldersOf(indexed), indexed.cache);
  const key = makeKey(randomUUID());
  const target = temporaryPath(join(folder, `${SOURCE}.stream-${key.slice(0, 12)}-${key.slice(12, 20)}`));
  const path = join(target, DATA);
  const file = await onDisk(
    path,
    async () => {
      await makeFolder(target);
      return open(path, 'wx', 0o600);
    },
    FIX,
  );
  const discard = async (): Promise<void> => {
    await file.close();
    await remove(target);
  };
  return {
    write: (bytes) => onDisk(path, () => file.writeFile(bytes), FIX),
    async finish(content) {
      await onDisk(path, () => syncFile(file), FIX);
      const entry = await cached(indexed, requestOf(content), (made, text) =>
        writeFolder(made, async (fresh) => {
          await renameBusy(path, join(fresh, DATA));
          await writeSynced(join(fresh, ENTRY), text({ '': content }));
        }),
      );
      await discard();
      return join(entry, DATA);
    },
    discard,
  };
}

/** Finds the entry of a stream, and protects it from eviction. */
export async function findKeptStream(indexed: IndexedCache, content: Content): Promise<KeptStream | undefined> {
  const found = await keptFor(indexed, requestOf(content));
  if (found === undefined) return undefined;
  await takeEntry(found.path);
  return { file: join(found.path, DATA), content };
}

function foldersOf({ cache }: IndexedCache): readonly string[] {
  return cacheFolders(SOURCE, cache.folder, streamHome());
}

function requestOf(content: Content): CacheRequest {
  return {
    kind: 'stream',
    source: SOURCE,
    home: streamHome(),
    stats: streamStats(),
    fingerprint: { '': content },
    recipe: recipe('stream', [content]),
  };
}
