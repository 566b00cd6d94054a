import { hash } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { renameBusySync } from '../../io/busy.js';
import { temporaryPath } from '../../io/temporary.js';
import { ENTRY, readEntry, sourceNameOf, VERSION, type CacheEntry, type KeptFolder } from './entry.js';

// The index file of a cache directory has a copy of the description of each entry, so that they need not be opened.
// Each line has a checksum and the JSON of an entry; the last line of an entry counts. A line is ignored if its
// checksum is wrong or ENTRY has another time, and the entry is then read. So the file requires no lock and no sync.

const INDEX = '.index.jsonl';
/** Minimum number of superseded lines for which the file is rewritten. */
const MAX_SUPERSEDED = 1000;

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
  readonly #entries = new Map<string, IndexedEntry>();
  /** Names of entries by the name of their source; undefined until the directory is listed, and after `refresh`. */
  #listing: Promise<Map<string, Set<string>>> | undefined;
  /** Entries that `entriesOf` has found; undefined for one that is incomplete. */
  readonly #seen = new Map<string, KeptFolder | undefined>();
  /** Names of entries whose lines must be written. */
  readonly #changed = new Set<string>();
  #numLines = 0;
  /** Whether the file must be rewritten, since entries were removed. */
  #isLong = false;

  /** Reads the index of a directory; it is empty if there is none. */
  constructor(folder: string) {
    this.#folder = folder;
    for (const line of this.#lines()) {
      const [name, found] = JSON.parse(line) as [string, IndexedEntry];
      this.#entries.set(name, found);
      this.#numLines++;
    }
  }

  /** Returns the entries of sources with a file name. The directory is listed once until `refresh`. */
  async entriesOf(source: string): Promise<readonly KeptFolder[]> {
    const names = (await (this.#listing ??= list(this.#folder))).get(source) ?? [];
    return [...names].flatMap((name) => {
      if (!this.#seen.has(name)) {
        const entry = this.find(name)?.entry;
        this.#seen.set(name, entry?.version === VERSION ? { path: join(this.#folder, name), entry } : undefined);
      }
      return this.#seen.get(name) ?? [];
    });
  }

  /** Adds an entry that this process has written. */
  add(name: string): void {
    this.#seen.delete(name);
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
    const found = { entry, bytes: sizeOf(path), lastUsedMs: lastUsedMs! };
    this.#entries.set(name, found);
    this.#changed.add(name);
    return found;
  }

  /** Returns an entry with the time of use in the index; reads it only if the index lacks it. */
  peek(name: string): IndexedEntry | undefined {
    return this.#entries.get(name) ?? this.find(name);
  }

  /** Updates the time of use of an entry; returns whether it exists. */
  touch(name: string): boolean {
    const [known, lastUsedMs] = [this.#entries.get(name), this.#timeOf(name)];
    if (known !== undefined && lastUsedMs !== undefined) {
      this.#entries.set(name, { ...known, lastUsedMs });
      this.#changed.add(name);
    }
    return lastUsedMs !== undefined;
  }

  /** Removes an entry that no longer exists. */
  forget(name: string): void {
    if (this.#entries.delete(name)) this.#isLong = true;
    void this.#listing?.then((listing) => listing.get(sourceNameOf(name) ?? '')?.delete(name));
  }

  /** Removes all other entries. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#entries.keys()) if (!names.has(name)) this.forget(name);
  }

  /** Writes the changes. If the directory cannot be written, the next process reads the entries again. */
  save(): void {
    const changed = [...this.#changed].filter((name) => this.#entries.has(name));
    this.#changed.clear();
    this.#isLong ||= this.#numLines + changed.length > 2 * this.#entries.size + MAX_SUPERSEDED;
    try {
      if (this.#entries.size === 0) rmSync(join(this.#folder, INDEX), { force: true });
      else if (this.#isLong) this.#rewrite();
      else if (changed.length > 0) appendFileSync(join(this.#folder, INDEX), this.#text(changed));
      this.#numLines = this.#isLong ? this.#entries.size : this.#numLines + changed.length;
      this.#isLong = false;
    } catch {
      // The index is only a copy.
    }
  }

  #rewrite(): void {
    const temporary = temporaryPath(join(this.#folder, INDEX));
    try {
      writeFileSync(temporary, this.#text([...this.#entries.keys()]));
      renameBusySync(temporary, join(this.#folder, INDEX));
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  #text(names: readonly string[]): string {
    const lines = names.map((name) => JSON.stringify([name, this.#entries.get(name)]));
    // Ends a line that was truncated by a kill.
    return `\n${lines.map((json) => `${checkOf(json)}${json}\n`).join('')}`;
  }

  #lines(): readonly string[] {
    let text = '';
    try {
      text = readFileSync(join(this.#folder, INDEX), 'utf8');
    } catch {
      // The file does not exist, or belongs to another user.
    }
    return text.split('\n').flatMap((line) => {
      const json = line.slice(CHECK_LENGTH);
      return json !== '' && line.startsWith(checkOf(json)) ? [json] : [];
    });
  }

  #timeOf(name: string): number | undefined {
    try {
      return statSync(join(this.#folder, name, ENTRY)).mtimeMs;
    } catch {
      return undefined;
    }
  }
}

async function list(folder: string): Promise<Map<string, Set<string>>> {
  const listing = new Map<string, Set<string>>();
  for (const name of await readdir(folder).catch(() => [])) place(listing, name);
  return listing;
}

function place(listing: Map<string, Set<string>>, name: string): void {
  const source = sourceNameOf(name);
  if (source !== undefined) listing.set(source, (listing.get(source) ?? new Set()).add(name));
}

const CHECK_LENGTH = 8;

function checkOf(json: string): string {
  return hash('sha1', json).slice(0, CHECK_LENGTH);
}

/** Returns the bytes of the files in a directory. */
export function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
