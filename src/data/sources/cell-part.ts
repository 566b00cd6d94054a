import { relative } from 'node:path';
import { withSlashes } from '../../io/slashes.js';
import { userError } from '../../core/errors.js';
import {
  cacheFolders,
  indexedCache,
  type Cache,
  type CacheRequest,
  type IndexedCache,
  type Recipe,
} from '../cache/cache.js';
import { knownContent } from '../cache/entry.js';
import { openStreamStore } from '../cache/stream-store.js';
import type { DialectOptions } from '../dialect.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import type { DataStream } from '../readers/data-stream.js';
import {
  checkUnchanged,
  isSameContent,
  isSameSize,
  keyOf,
  type FileStats,
  type Fingerprint,
} from '../readers/fingerprint.js';
import { openRows } from '../readers/open-rows.js';
import type { ComputedColumns } from './computed-columns.js';
import type { DataFile } from './find-files.js';
import type { Access } from './source.js';

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

/** A file of a source. */
export interface OpenedFile extends DataFile {
  readonly rows: RowSource<CellFile>;
  /** Computed columns that `rows` has. */
  readonly computed?: ComputedColumns | undefined;
  /** Stats of the file when it was opened. */
  readonly stats: FileStats;
  readonly bytes: number;
}

/**
 * Opens a file and finds its columns.
 * @throws UserError (data) for a file that cannot be read or lacks a column
 */
export async function openFile(file: DataFile, opening: CellOpening): Promise<OpenedFile> {
  const { computed } = opening;
  const rows = await openComputed(file, opening);
  const stats = await rows.csv.stats();
  return { ...file, rows, ...(computed && { computed }), stats, bytes: stats['']?.bytes ?? 0 };
}

/** Opens the rows of a file, with computed columns. */
export async function openComputed(
  { path, constants }: Pick<DataFile, 'path' | 'constants'>,
  { columns, dialect, keepsAll = false, computed }: CellOpening,
): Promise<RowSource<CellFile>> {
  if (computed === undefined) return openRows(path, columns, dialect, constants, keepsAll);
  const { csv } = await openRows(path, [], dialect, constants);
  const own = columns.filter((name) => !computed.names.includes(name));
  const all = [...new Set([...own, ...computed.inputs(csv.header)])];
  return computed.wrap(await openRows(path, all, dialect, constants, keepsAll));
}

/** Returns what affects the rows of a file, beside its content and the format. */
export function fileRecipe({ path, rows: { csv, columns }, computed }: OpenedFile): readonly unknown[] {
  return [
    csv.dialect,
    ...(columns.constants === undefined ? [] : [[...columns.constants]]),
    ...(computed === undefined ? [] : [{ computed: computed.keyOf(path) }]),
  ];
}

/**
 * Returns the content of files from the cache entries at their path; undefined if no entry may be of them.
 * @param read reads the content from the files, if an entry may be of them, but they must be verified
 */
export async function findContent(
  { path, home, stats }: Pick<CellPart, 'path' | 'home' | 'stats'>,
  { cache, index }: IndexedCache,
  { verifyData }: Access,
  read: () => Promise<Fingerprint>,
): Promise<Fingerprint | undefined> {
  const entries = await index.entriesOf(path, cacheFolders(path, cache.folder, home));
  const known = verifyData === true ? undefined : knownContent(entries, stats);
  // Entries of the same files in another order may have the same stats.
  if (known !== undefined) return Object.fromEntries(Object.keys(stats).map((name) => [name, known[name]!]));
  return entries.some(({ entry }) => isSameSize(entry.stats, stats)) ? read() : undefined;
}

/** Files of a source that follow each other and have one cache entry, and what is known of their content. */
export class CellPart {
  readonly files: readonly [OpenedFile, ...OpenedFile[]];
  /** Path of the first file, which names the entries. */
  readonly path: string;
  readonly home: string;
  readonly rows: readonly RowSource<CellFile>[];
  /** Paths of the files, relative to that of the first. */
  readonly names: readonly string[];
  /** Stats of the files when they were opened, by name. */
  readonly stats: FileStats;
  readonly #ownCache: Cache;
  #content: Fingerprint | undefined;

  constructor(files: readonly OpenedFile[], ownCache: Cache) {
    this.files = files as readonly [OpenedFile, ...OpenedFile[]];
    const [{ path, home }] = this.files;
    this.path = path;
    this.home = home;
    this.rows = files.map(({ rows }) => rows);
    this.names = files.map((file) => withSlashes(relative(path, file.path)));
    this.stats = this.#byName(files.map(({ stats }) => stats));
    this.#ownCache = ownCache;
  }

  /** The stream, if the only file is one. */
  get stream(): DataStream | undefined {
    return this.files[0].rows.csv.stream;
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
   * Returns a request for the cache entry of the files.
   * @param shared recipe of the format and of `recipe`
   */
  async request(kind: CacheRequest['kind'], shared: Recipe, access: Access): Promise<CacheRequest> {
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
    const { stream } = this;
    if (stream !== undefined) return stream.kept && this.hash(access);
    this.#content = await findContent(this, this.cacheOf(access), access, () => this.hash(access));
    return this.#content;
  }

  /** Returns the content, as `identify` does, or reads the files. */
  async fingerprint(access: Access): Promise<Fingerprint> {
    return (await this.identify(access)) ?? (await this.hash(access));
  }

  /**
   * Returns the content from the bytes of the files; those that have not passed yet are read.
   * @throws UserError (data) if a file has changed since it was opened
   */
  async hash(access: Access): Promise<Fingerprint> {
    const found: Fingerprint[] = [];
    let done = 0;
    const { bytes } = this;
    for (const [i, { path, stats, rows }] of this.files.entries()) {
      const own = await rows.csv.fingerprint((more) =>
        reportShare(access, `verifying ${path}`, bytes > 0 ? (done += more) / bytes : 0),
      );
      checkUnchanged(path, stats, await rows.csv.stats());
      const name = this.names[i]!;
      if (this.#content !== undefined && !isSameContent({ '': this.#content[name]! }, own)) {
        throw userError('data', {
          where: path,
          message: 'changed, although its size, times and inode match the cache',
          fix: 'run again with --verify-data',
        });
      }
      found.push(own);
    }
    return (this.#content = this.#byName(found));
  }

  /** Joins properties of each file. */
  #byName<Each>(found: readonly Readonly<Record<string, Each>>[]): Record<string, Each> {
    return Object.fromEntries(this.names.map((name, i) => [name, found[i]!['']!]));
  }

  /** Adds properties of the single files to a recipe, unless all files are read alike. */
  #ownRecipe(shared: Recipe): Recipe {
    const [first, ...others] = this.files;
    const isAlike = others.every(({ rows: { csv } }) => csv.dialect === first.rows.csv.dialect);
    const isPlain = this.files.every(({ rows, computed }) => rows.columns.constants === undefined && !computed);
    if (others.length === 0 || (isAlike && isPlain)) return shared;
    const own = this.files.map(fileRecipe);
    return { key: keyOf(shared.key, own).slice(0, shared.key.length), slot: [...shared.slot, own] };
  }
}
