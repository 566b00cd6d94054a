import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../core/errors.js';
import type { SortedEvents } from '../../features/event-log.js';
import { writeFolder, writeSynced } from '../../io/disk.js';
import type { IndexedCache, Recipe } from '../cache/cache.js';
import { removeCached } from '../cache/cache-list.js';
import { ENTRY, readEntry } from '../cache/entry.js';
import { readEvents, writeEvents } from '../cache/event-folder.js';
import { tidyWritten } from '../cache/tidy.js';
import type { MakeEntry } from './cell-part.js';
import type { CellParts } from './cell-parts.js';
import type { Access } from './source.js';

/** How the events of files are read. */
export interface EventReading {
  /** All that determines the events, except the content of the files. */
  readonly recipe: Recipe;
  /** @throws UserError (data) for an invalid event */
  read(): Promise<SortedEvents>;
  /** Returns whether `read` would return stored events, and not throw. */
  isValid(stored: SortedEvents): boolean;
}

/** A damaged entry is replaced, and so is the one that another process wrote meanwhile. */
const MAX_ATTEMPTS = 3;

/**
 * Returns the events of files: from the cache if it has them, else as `read` returns them, which are then cached.
 * Events of streams are not cached. If the cache cannot be written, a warning says so.
 * @throws UserError (data) as `read` does, and if a file changes while it is read
 */
export async function cachedEvents(parts: CellParts, reading: EventReading, access: Access): Promise<SortedEvents> {
  const { read, isValid } = reading;
  if (access.cache === undefined || parts.all.some(({ stream }) => stream !== undefined)) return read();
  const { whole } = parts;
  const cache = whole.cacheOf(access);
  const fresh: SortedEvents[] = [];
  const make: MakeEntry = async (target, entry) => {
    const events = await read();
    fresh.push(events);
    const content = await whole.fingerprint(access);
    if (existsSync(target) && readEntry(target) === undefined) await removeDamaged(target, cache);
    await writeFolder(target, async (temporary) => {
      await writeEvents(temporary, events);
      await writeSynced(join(temporary, ENTRY), entry(content));
    });
  };
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const folder = await whole.cached('events', reading.recipe, access, make);
      const events = fresh[0] ?? (await readEvents(folder));
      if (events !== undefined) {
        await tidyWritten(cache);
        return fresh.length > 0 || isValid(events) ? events : await read();
      }
      await removeDamaged(folder, cache);
    }
  } catch (error) {
    if (!(error instanceof UserError && error.kind === 'disk')) throw error;
    access.cache.onWarning?.(`${whole.path}: its sorted events are not cached: ${error.message}`);
  }
  return fresh[0] ?? read();
}

async function removeDamaged(folder: string, { index }: IndexedCache): Promise<void> {
  try {
    await removeCached([{ path: folder }]);
  } catch (error) {
    // Another process has removed it.
    if (existsSync(folder)) throw error;
  }
  index.forget(folder);
  index.refresh();
}
