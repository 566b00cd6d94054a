import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readEntry, VERSION, type CacheEntry, type KeptFolder } from './entry.js';

/** Name of an entry: that of its source, its kind, the key of its recipe and that of its content. */
const NAME = /^(.+)\.(?:fitted|rows|local)-[0-9a-f]{12}-[0-9a-f]{8}$/;

/**
 * Entries of cache directories by the name of their source. A directory is listed once until `refresh`, an entry read
 * once.
 */
export interface CacheIndex {
  /** Returns what directories keep of sources with the name of this one, also of one that was moved since. */
  entriesOf(source: string, folders: readonly string[]): Promise<readonly KeptFolder[]>;
  /** Adds an entry that was written since its directory was listed, or reads it again. */
  add(path: string): void;
  /** Removes an entry that is gone. */
  forget(path: string): void;
  /** Lists directories again when they are asked about, since other processes may have written entries. */
  refresh(): void;
}

/** Paths by the name of a source. */
type Listing = Map<string, Set<string>>;

/** Creates an index that lists a directory when it is first asked about it. */
export function createCacheIndex(): CacheIndex {
  const listings = new Map<string, Promise<Listing>>();
  const entries = new Map<string, Promise<CacheEntry | undefined>>();
  const listingOf = (folder: string): Promise<Listing> => {
    const listing = listings.get(folder) ?? list(folder);
    listings.set(folder, listing);
    return listing;
  };
  const read = (path: string): Promise<CacheEntry | undefined> => {
    const entry = entries.get(path) ?? readEntry(path);
    entries.set(path, entry);
    return entry;
  };
  return {
    async entriesOf(source, folders) {
      const found: KeptFolder[] = [];
      for (const folder of folders) {
        for (const path of (await listingOf(folder)).get(basename(source)) ?? []) {
          const entry = await read(path);
          if (entry?.version === VERSION) found.push({ path, entry });
        }
      }
      return found;
    },
    add(path) {
      entries.delete(path);
      void listings.get(dirname(path))?.then((listing) => place(listing, path));
    },
    forget(path) {
      void listings.get(dirname(path))?.then((listing) => listing.forEach((paths) => paths.delete(path)));
    },
    refresh: () => listings.clear(),
  };
}

async function list(folder: string): Promise<Listing> {
  const listing: Listing = new Map();
  for (const name of await readdir(folder).catch(() => [])) place(listing, join(folder, name));
  return listing;
}

function place(listing: Listing, path: string): void {
  const [, source] = NAME.exec(basename(path)) ?? [];
  if (source !== undefined) listing.set(source, (listing.get(source) ?? new Set()).add(path));
}
