import { userError } from '../../core/errors.js';
import { cacheFolders, indexedCache, type Cache, type CacheRequest, type IndexedCache } from '../cache/cache.js';
import { knownContent } from '../cache/entry.js';
import type { DialectOptions } from '../dialect.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import { checkUnchanged, isSameContent, isSameSize, type FileStats, type Fingerprint } from '../readers/fingerprint.js';
import { openRows } from '../readers/open-rows.js';
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
  /** Whether a file has no other columns. */
  readonly keepsAll: boolean;
  /** The cache if an access names none. */
  readonly ownCache: Cache;
}

/** One file of a source, and what is known of its content. */
export class CellPart {
  readonly file: DataFile;
  readonly rows: RowSource<CellFile>;
  /** Stats of the file when it was opened. */
  readonly stats: FileStats;
  readonly bytes: number;
  readonly #ownCache: Cache;
  #content: Fingerprint | undefined;

  constructor(file: DataFile, rows: RowSource<CellFile>, stats: FileStats, ownCache: Cache) {
    this.file = file;
    this.rows = rows;
    this.stats = stats;
    this.bytes = Object.values(stats).reduce((sum, each) => sum + each.bytes, 0);
    this.#ownCache = ownCache;
  }

  /**
   * Opens a file and finds its columns.
   * @throws UserError (data) for a file that cannot be read or lacks a column
   */
  static async open(file: DataFile, { columns, dialect, keepsAll, ownCache }: CellOpening): Promise<CellPart> {
    const rows = await openRows(file.path, columns, dialect, file.constants, keepsAll);
    return new CellPart(file, rows, await rows.csv.stats(), ownCache);
  }

  /** What affects the rows of the file, beside its content and the format. */
  get recipe(): readonly unknown[] {
    const { csv, columns } = this.rows;
    return [csv.dialect, ...(columns.constants === undefined ? [] : [[...columns.constants]])];
  }

  /** Returns the cache for the file. */
  cacheOf({ cache = this.#ownCache }: Access): IndexedCache {
    return indexedCache(cache);
  }

  /** Returns a request for a cache entry of the file. */
  async request(kind: CacheRequest['kind'], recipe: CacheRequest['recipe'], access: Access): Promise<CacheRequest> {
    const { path, home } = this.file;
    return { kind, source: path, home, stats: this.stats, fingerprint: await this.identify(access), recipe };
  }

  /** Returns the content if it is known without reading the file. A file is read if a cache entry may be of it. */
  async identify(access: Access): Promise<Fingerprint | undefined> {
    if (this.#content !== undefined) return this.#content;
    const { path, home } = this.file;
    const entries = await this.cacheOf(access).index.entriesOf(path, cacheFolders(path, access.cache?.folder, home));
    this.#content = access.verifyData === true ? undefined : knownContent(entries, this.stats);
    if (this.#content === undefined && entries.some(({ entry }) => isSameSize(entry.stats, this.stats)))
      await this.hash(access);
    return this.#content;
  }

  /** Returns the content, as `identify` does, or reads the file. */
  async fingerprint(access: Access): Promise<Fingerprint> {
    return (await this.identify(access)) ?? (await this.hash(access));
  }

  /**
   * Returns the content from the bytes of the file; those that have not passed yet are read.
   * @throws UserError (data) if the file has changed since it was opened
   */
  async hash(access: Access): Promise<Fingerprint> {
    const { path } = this.file;
    const { csv } = this.rows;
    let done = 0;
    const found = await csv.fingerprint((more) =>
      reportShare(access, `verifying ${path}`, (done += more) / this.bytes),
    );
    checkUnchanged(path, this.stats, await csv.stats());
    if (this.#content !== undefined && !isSameContent(this.#content, found)) {
      throw userError('data', {
        where: path,
        message: 'changed, although its size, times and inode match the cache',
        fix: 'run again with --verify-data',
      });
    }
    return (this.#content = found);
  }
}
