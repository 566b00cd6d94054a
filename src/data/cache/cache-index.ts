import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NAME_END, VERSION, type KeptFolder } from './entry.js';
import { EntryIndex } from './entry-index.js';

/** Name of an entry: name of its source, kind, key of its recipe and key of its content. */
const NAME = new RegExp(`^(.+)${NAME_END}$`);

/** Names of entries by the name of their source. */
type Listing = Map<string, Set<string>>;

/** A cache directory, and the entries that this process has read. */
interface Directory {
  readonly index: EntryIndex;
  /** Undefined until the directory is listed, and after `refresh`. */
  listing: Promise<Listing> | undefined;
  /** Entries that were read; undefined for one that is incomplete. */
  readonly seen: Map<string, KeptFolder | undefined>;
}

/** Entries of cache directories by the name of their source. A directory is listed once until `refresh`. */
export class CacheIndex {
  readonly #directories = new Map<string, Directory>();

  /** Returns the entries of sources with the same file name, also if the source was moved. */
  async entriesOf(source: string, folders: readonly string[]): Promise<readonly KeptFolder[]> {
    const found: KeptFolder[] = [];
    for (const folder of folders) {
      const directory = this.#directory(folder);
      for (const name of (await (directory.listing ??= list(folder))).get(basename(source)) ?? []) {
        if (!directory.seen.has(name)) directory.seen.set(name, look(directory.index, folder, name));
        const kept = directory.seen.get(name);
        if (kept !== undefined) found.push(kept);
      }
    }
    return found;
  }

  /** Adds an entry that this process has written. */
  add(path: string): void {
    const { listing, seen } = this.#directory(dirname(path));
    seen.delete(basename(path));
    void listing?.then((names) => place(names, basename(path)));
  }

  /** Updates the time of use of an entry; returns whether it exists. */
  touch(path: string): boolean {
    return this.#directory(dirname(path)).index.touch(basename(path));
  }

  /** Removes an entry that no longer exists. */
  forget(path: string): void {
    const { listing, index } = this.#directory(dirname(path));
    index.forget(basename(path));
    void listing?.then((names) => names.get(sourceOf(basename(path)) ?? '')?.delete(basename(path)));
  }

  /** Lists directories again on the next call, since other processes may have written entries. */
  refresh(): void {
    for (const directory of this.#directories.values()) directory.listing = undefined;
  }

  /** Writes the index files. */
  save(): void {
    for (const { index } of this.#directories.values()) index.save();
  }

  #directory(folder: string): Directory {
    const found = this.#directories.get(folder);
    if (found !== undefined) return found;
    const directory: Directory = { index: new EntryIndex(folder), listing: undefined, seen: new Map() };
    this.#directories.set(folder, directory);
    return directory;
  }
}

function look(index: EntryIndex, folder: string, name: string): KeptFolder | undefined {
  const entry = index.find(name)?.entry;
  return entry?.version === VERSION ? { path: join(folder, name), entry } : undefined;
}

async function list(folder: string): Promise<Listing> {
  const listing: Listing = new Map();
  for (const name of await readdir(folder).catch(() => [])) place(listing, name);
  return listing;
}

function sourceOf(name: string): string | undefined {
  return NAME.exec(name)?.[1];
}

function place(listing: Listing, name: string): void {
  const source = sourceOf(name);
  if (source === undefined) return;
  const names = listing.get(source) ?? new Set();
  listing.set(source, names.add(name));
}
