import { hash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { renameBusySync } from '../../io/busy.js';
import { temporaryPath } from '../../io/temporary.js';
import { ENTRY, readEntry, parseSourceName, VERSION, type CacheEntry, type KeptFolder } from './entry.js';

// The index file of a cache directory has a copy of the description of each entry, so that they need not be opened.
// Each line has a checksum and the JSON of an entry. A line is ignored if its checksum is wrong or ENTRY has another
// time, and the entry is then read. So the file requires no lock and no sync: the last process to write it counts.

const INDEX = '.index.jsonl';

/** An entry as the index has it. */
export interface IndexedEntry {
  readonly entry: CacheEntry;
  readonly bytes: number;
  /** Time when ENTRY was written or touched, in milliseconds since the epoch. */
  readonly lastUsedMs: number;
}

/** The index of one cache directory. */
export class EntryIndex {
  readonly #folder: string;
  readonly #entries: Map<string, IndexedEntry>;
  /** Names of entries by the name of their source; undefined until the directory is listed, and after `refresh`. */
  #listing: Promise<Map<string, Set<string>>> | undefined;
  /** Whether the entries differ from the entries of the file. */
  #isChanged = false;

  /** Reads the index of a directory; it is empty if there is none. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#entries = new Map(readLines(join(folder, INDEX)));
  }

  /** Returns the entries of sources with a file name. The directory is listed once until `refresh`. */
  async entriesOf(source: string): Promise<readonly KeptFolder[]> {
    const names = (await (this.#listing ??= list(this.#folder))).get(source) ?? [];
    return [...names].flatMap((name) => {
      const entry = this.find(name)?.entry;
      return entry?.version === VERSION ? [{ path: join(this.#folder, name), entry }] : [];
    });
  }

  /** Adds an entry that this process has written. */
  add(name: string): void {
    void this.#listing?.then((listing) => place(listing, name));
  }

  /** Lists the directory again on the next call, since other processes may have written entries. */
  refresh(): void {
    this.#listing = undefined;
  }

  /** Returns an entry with its current time of use; undefined if it is incomplete or another directory. */
  find(name: string): IndexedEntry | undefined {
    const lastUsedMs = this.#timeOf(name);
    const known = this.#entries.get(name);
    if (lastUsedMs !== undefined && known?.lastUsedMs === lastUsedMs) return known;
    const path = join(this.#folder, name);
    const entry = lastUsedMs === undefined ? undefined : readEntry(path);
    if (entry === undefined) {
      this.forget(name);
      return undefined;
    }
    const found = { entry, bytes: countFileBytes(path), lastUsedMs: lastUsedMs! };
    this.#set(name, found);
    return found;
  }

  /** Updates the time of use of an entry; returns whether it exists. */
  touch(name: string): boolean {
    const [known, lastUsedMs] = [this.#entries.get(name), this.#timeOf(name)];
    if (known !== undefined && lastUsedMs !== undefined) this.#set(name, { ...known, lastUsedMs });
    return lastUsedMs !== undefined;
  }

  /** Removes an entry that no longer exists. */
  forget(name: string): void {
    if (this.#entries.delete(name)) this.#isChanged = true;
    void this.#listing?.then((listing) => listing.get(parseSourceName(name) ?? '')?.delete(name));
  }

  /** Removes all other entries. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#entries.keys()) if (!names.has(name)) this.forget(name);
  }

  /** Writes the changes. If the directory cannot be written, the next process reads the entries again. */
  save(): void {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const path = join(this.#folder, INDEX);
    const temporary = temporaryPath(path);
    const lines = [...this.#entries].map((entry) => JSON.stringify(entry));
    try {
      if (lines.length === 0) rmSync(path, { force: true });
      else {
        writeFileSync(temporary, lines.map((json) => `${checkOf(json)}${json}\n`).join(''));
        renameBusySync(temporary, path);
      }
    } catch {
      // The index is only a copy.
      rmSync(temporary, { force: true });
    }
  }

  #set(name: string, entry: IndexedEntry): void {
    this.#entries.set(name, entry);
    this.#isChanged = true;
  }

  #timeOf(name: string): number | undefined {
    try {
      return statSync(join(this.#folder, name, ENTRY)).mtimeMs;
    } catch {
      return undefined;
    }
  }
}

/** Reads the lines of an index file that are not damaged: names of entries, and the entries. */
function readLines(path: string): readonly (readonly [string, IndexedEntry])[] {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // The file does not exist, or belongs to another user.
  }
  return text.split('\n').flatMap((line) => {
    const json = line.slice(CHECK_LENGTH);
    const isWhole = json !== '' && line.startsWith(checkOf(json));
    return isWhole ? [JSON.parse(json) as readonly [string, IndexedEntry]] : [];
  });
}

async function list(folder: string): Promise<Map<string, Set<string>>> {
  const listing = new Map<string, Set<string>>();
  for (const name of await readdir(folder).catch(() => [])) place(listing, name);
  return listing;
}

function place(listing: Map<string, Set<string>>, name: string): void {
  const source = parseSourceName(name);
  if (source !== undefined) listing.set(source, (listing.get(source) ?? new Set()).add(name));
}

const CHECK_LENGTH = 8;

function checkOf(json: string): string {
  return hash('sha1', json).slice(0, CHECK_LENGTH);
}

/** Returns the bytes of the files in a directory. */
export function countFileBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
