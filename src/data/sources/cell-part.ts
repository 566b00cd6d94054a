import { relative } from 'node:path';
import { withSlashes } from '../../io/slashes.js';
import type { BlockColumn } from '../../chunks/row-block.js';
import { userError } from '../../core/errors.js';
import type { Content } from '../../io/byte-hash.js';
import {
  cached,
  cacheFolders,
  indexedCache,
  keptFor,
  type Cache,
  type CacheRequest,
  type IndexedCache,
  type Recipe,
} from '../cache/cache.js';
import { knownContent } from '../cache/entry.js';
import { openStreamStore } from '../cache/stream-store.js';
import type { DialectOptions } from '../dialect.js';
import { writeCacheFolder, type WriteRows } from '../encoding/write-rows.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import type { DataStream } from '../readers/data-stream.js';
import {
  checkUnchanged,
  isSameContent,
  isSameSize,
  makeKey,
  type FileStats,
  type Fingerprint,
} from '../readers/fingerprint.js';
import { openRows } from '../readers/open-rows.js';
import type { ComputedColumns } from './computed-columns.js';
import type { DataFile } from './find-files.js';
import type { Access, Reading } from './source.js';

/**
 * Reports the share that was read. Signals are handled only when the event loop runs, as it does while a file is
 * read.
 */
export function reportShare({ onProgress, signal }: Access, what: string, share: number): void {
  onProgress?.({ what, share });
  signal?.throwIfAborted();
}

/** How files are opened. */
export interface CellOpening {
  readonly columns: readonly string[];
  readonly dialect: DialectOptions;
  /** Whether a file has no other columns. Default: false. */
  readonly keepsAll?: boolean;
  /** The cache if an access names none. Default: one for these files. */
  readonly ownCache?: Cache;
  readonly computed?: ComputedColumns | undefined;
}

/** Creates the directory of a cache entry, with the text of its file ENTRY for the content that was read. */
export type MakeEntry = (path: string, entry: (read: Fingerprint) => string) => Promise<void>;

/** A file of a source. */
export interface OpenedFile extends DataFile {
  readonly rows: RowSource<CellFile>;
  /** Computed columns that `rows` has. */
  readonly computed: ComputedColumns | undefined;
  /** Stats of the file when it was opened. */
  readonly stats: FileStats;
  readonly bytes: number;
}

/**
 * Opens a file and finds its columns, with computed ones.
 * @throws UserError (data) for a file that cannot be read or lacks a column
 */
export async function openFile(
  file: DataFile,
  { columns, dialect, keepsAll = false, computed }: CellOpening,
): Promise<OpenedFile> {
  const { path, constants } = file;
  const open = (names: readonly string[]): Promise<RowSource<CellFile>> =>
    openRows(path, names, dialect, constants, keepsAll);
  let rows: RowSource<CellFile>;
  if (computed === undefined) rows = await open(columns);
  else {
    const { header } = (await openRows(path, [], dialect, constants)).csv;
    const own = columns.filter((name) => !computed.names.includes(name));
    rows = computed.wrap(await open([...new Set([...own, ...computed.inputs(header)])]));
  }
  const stats = await rows.csv.stats();
  return { ...file, rows, computed, stats, bytes: stats['']?.bytes ?? 0 };
}

/** Returns what affects the rows of a file, beside its content and the format. */
export function fileRecipe({ path, rows: { csv, columns }, computed }: OpenedFile): readonly unknown[] {
  return [
    csv.dialect,
    ...(columns.constants === undefined ? [] : [[...columns.constants]]),
    ...(computed === undefined ? [] : [{ computed: computed.keyOf(path) }]),
  ];
}

/** Files of a source that follow each other and have one cache entry, and what is known of their content. */
export class CellPart {
  readonly files: readonly [OpenedFile, ...OpenedFile[]];
  readonly home: string;
  readonly rows: readonly RowSource<CellFile>[];
  /** Paths of the files, relative to `path`. */
  readonly names: readonly string[];
  /** Stats of the files when they were opened, by name. */
  readonly stats: FileStats;
  readonly #ownCache: Cache;
  readonly #parts: readonly CellPart[];
  #content: Fingerprint | undefined;

  /**
   * @param path names the entries; default: the path of the first file
   * @param parts that the files are divided into, whose content is known; default: none
   */
  constructor(
    files: readonly OpenedFile[],
    ownCache: Cache,
    readonly path = files[0]!.path,
    parts: readonly CellPart[] = [],
  ) {
    this.files = files as readonly [OpenedFile, ...OpenedFile[]];
    this.home = this.files[0].home;
    this.rows = files.map(({ rows }) => rows);
    this.names = files.map((file) => withSlashes(relative(path, file.path)));
    this.stats = this.#byName(files.map(({ stats }) => stats['']!));
    this.#ownCache = ownCache;
    this.#parts = parts;
  }

  /** The stream, if the only file is one. */
  get stream(): DataStream | undefined {
    return this.files.length > 1 ? undefined : this.files[0].rows.csv.stream;
  }

  /** Size of the files; a stream has none until it is kept. */
  get bytes(): number {
    return this.files.reduce((sum, { rows, bytes }) => sum + (rows.csv.stream?.kept?.content.bytes ?? bytes), 0);
  }

  /** What affects the rows, beside the content and the format: the part that many others have in common. */
  get recipe(): readonly unknown[] {
    const [first, ...others] = this.files;
    return others.length === 0 ? fileRecipe(first) : [first.rows.csv.dialect];
  }

  /** Returns the cache for the files. */
  cacheOf({ cache = this.#ownCache }: Access): IndexedCache {
    return indexedCache(cache);
  }

  /**
   * Returns the directory of a cache entry of the files, as `cached` does.
   * @param shared recipe of the format and of `recipe`
   */
  async cached(kind: CacheRequest['kind'], shared: Recipe, access: Access, make: MakeEntry): Promise<string> {
    return cached(this.cacheOf(access), await this.#request(kind, shared, access), make);
  }

  /** Returns the directory of a cache entry with rows of the files, as `cached` does. */
  async cachedRows(
    kind: CacheRequest['kind'],
    shared: Recipe,
    columns: readonly BlockColumn[],
    reading: Reading,
    write: WriteRows<Fingerprint>,
  ): Promise<string> {
    const source = this.path;
    return this.cached(kind, shared, reading, (path, entry) =>
      writeCacheFolder({ path, source, columns, entry }, reading.policy, write),
    );
  }

  /** Returns whether the cache has no such entry. */
  async lacks(kind: CacheRequest['kind'], shared: Recipe, access: Access): Promise<boolean> {
    return (await keptFor(this.cacheOf(access), await this.#request(kind, shared, access))) === undefined;
  }

  async #request(kind: CacheRequest['kind'], shared: Recipe, access: Access): Promise<CacheRequest> {
    const { path, home, stats } = this;
    const fingerprint = await this.identify(access);
    return { kind, source: path, home, stats, fingerprint, recipe: this.#ownRecipe(shared) };
  }

  /** Requests that a stream is kept in the cache when it is read, so that it can be read again. */
  keepStream(access: Access): void {
    this.stream?.keep(() => openStreamStore(this.cacheOf(access)));
  }

  /**
   * Returns the content if it is known without reading the files. They are read if a cache entry may be of them, but
   * not if they are a stream.
   */
  async identify(access: Access): Promise<Fingerprint | undefined> {
    if (this.#content !== undefined) return this.#content;
    const { stream, path, stats, home } = this;
    if (stream !== undefined) return stream.kept && this.hash(access);
    const { cache, index } = this.cacheOf(access);
    const entries = await index.entriesOf(path, cacheFolders(path, cache.folder, home));
    const known = access.verifyData === true ? undefined : knownContent(entries, stats);
    // Entries of the same files in another order may have the same stats.
    if (known !== undefined) return (this.#content = this.#byName(this.names.map((name) => known[name]!)));
    return entries.some(({ entry }) => isSameSize(entry.stats, stats)) ? this.hash(access) : undefined;
  }

  /** Returns the content, as `identify` does, or reads the files. */
  async fingerprint(access: Access): Promise<Fingerprint> {
    return (await this.identify(access)) ?? (await this.hash(access));
  }

  /**
   * Returns the content from the bytes of the files; those that have not passed yet are read, unless their parts know
   * it.
   * @throws UserError (data) if a file has changed since it was opened
   */
  async hash(access: Access): Promise<Fingerprint> {
    const found: Content[] = [];
    for (const part of this.#parts)
      for (const content of part.#inOrder(await part.fingerprint(access))) found.push(content);
    if (found.length === 0) await this.#hashFiles(access, found);
    return (this.#content = this.#byName(found));
  }

  async #hashFiles(access: Access, found: Content[]): Promise<void> {
    let done = 0;
    const { bytes } = this;
    for (const [i, { path, stats, rows }] of this.files.entries()) {
      const own = await rows.csv.fingerprint((more) =>
        reportShare(access, `verifying ${path}`, bytes > 0 ? (done += more) / bytes : 0),
      );
      checkUnchanged(path, stats, await rows.csv.stats());
      if (this.#content !== undefined && !isSameContent({ '': this.#content[this.names[i]!]! }, own)) {
        throw userError('data', {
          where: path,
          message: 'changed, although its size, times and inode match the cache',
          fix: 'run again with --verify-data',
        });
      }
      found.push(own['']!);
    }
  }

  /** Joins properties of each file. */
  #byName<Each>(found: readonly Each[]): Record<string, Each> {
    return Object.fromEntries(this.names.map((name, i) => [name, found[i]!]));
  }

  #inOrder(content: Fingerprint): readonly Content[] {
    return this.names.map((name) => content[name]!);
  }

  /** Adds properties of the single files to a recipe, unless all files are read alike. */
  #ownRecipe(shared: Recipe): Recipe {
    const [first, ...others] = this.files;
    const isAlike = others.every(({ rows: { csv } }) => csv.dialect === first.rows.csv.dialect);
    const isPlain = this.files.every(({ rows, computed }) => rows.columns.constants === undefined && !computed);
    if (others.length === 0 || (isAlike && isPlain)) return shared;
    const own = this.files.map(fileRecipe);
    return { key: makeKey(shared.key, own).slice(0, shared.key.length), slot: [...shared.slot, own] };
  }
}
