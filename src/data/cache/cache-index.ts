import { basename, dirname } from 'node:path';
import type { KeptFolder } from './entry.js';
import { EntryIndex } from './entry-index.js';

/** Indexes of cache directories, which are read once per process. */
export class CacheIndex {
  readonly #folders = new Map<string, EntryIndex>();

  /** Returns the entries of sources with the same file name, also if the source was moved. */
  async entriesOf(source: string, folders: readonly string[]): Promise<readonly KeptFolder[]> {
    const found: KeptFolder[] = [];
    for (const folder of folders)
      for (const entry of await this.#indexOf(folder).entriesOf(basename(source))) found.push(entry);
    return found;
  }

  /** Adds an entry that this process has written. */
  add(path: string): void {
    this.#indexOf(dirname(path)).add(basename(path));
  }

  /** Updates the time of use of an entry; returns whether it exists. */
  touch(path: string): boolean {
    return this.#indexOf(dirname(path)).touch(basename(path));
  }

  /** Removes an entry that no longer exists. */
  forget(path: string): void {
    this.#indexOf(dirname(path)).forget(basename(path));
  }

  /** Lists directories again on the next call, since other processes may have written entries. */
  refresh(): void {
    for (const index of this.#folders.values()) index.refresh();
  }

  /** Writes the index files. */
  save(): void {
    for (const index of this.#folders.values()) index.save();
  }

  #indexOf(folder: string): EntryIndex {
    const index = this.#folders.get(folder) ?? new EntryIndex(folder);
    this.#folders.set(folder, index);
    return index;
  }
}
