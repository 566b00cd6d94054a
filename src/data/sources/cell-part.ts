import { userError } from '../../core/errors.js';
import { cacheFolders, indexedCache, type Cache, type IndexedCache } from '../cache/cache.js';
import { knownContent } from '../cache/entry.js';
import type { DialectOptions } from '../dialect.js';
import { checkUnchanged, isSameContent, isSameSize, type FileStats, type Fingerprint } from '../readers/fingerprint.js';
import { openRows } from '../readers/open-rows.js';
import type { CellFile, RowSource } from '../readers/cell-file.js';
import type { DataFile } from './find-files.js';
import type { Access } from './source.js';

/** A file of cells, and what is known of its content. */
export interface CellPart {
  readonly file: DataFile;
  readonly rows: RowSource<CellFile>;
  /** When it was opened. */
  readonly stats: FileStats;
  readonly bytes: number;
  /** Where what was read of it is kept, as an access names it. */
  cacheOf(access: Access): IndexedCache;
  /** What it holds, where that can be known without reading it; where something kept may be of it, it is read. */
  identify(access: Access): Promise<Fingerprint | undefined>;
  /**
   * Reads all bytes where they have not passed yet, and looks whether they are still those that were there when it was
   * opened.
   * @throws UserError (data) for a file that changes meanwhile
   */
  hashed(access: Access): Promise<Fingerprint>;
}

/** Tells how far reading is. Signals are heard only when the event loop gets a turn; a read of the file is one. */
export function tellShare({ onProgress, signal }: Access, what: string, share: number): void {
  onProgress?.({ what, share });
  signal?.throwIfAborted();
}

/**
 * Opens a file of cells and finds the columns that are read.
 * @param keepsAll whether these are all that it has
 * @param ownCache the cache of an access that names none
 * @throws UserError (data) for one that cannot be read or lacks a column
 */
export async function openCellPart(
  file: DataFile,
  columns: readonly string[],
  dialect: DialectOptions,
  keepsAll: boolean,
  ownCache: Cache,
): Promise<CellPart> {
  const { path, home, constants } = file;
  const rows = await openRows(path, columns, dialect, constants, keepsAll);
  const stats = await rows.csv.stats();
  const bytes = Object.values(stats).reduce((sum, each) => sum + each.bytes, 0);
  let content: Fingerprint | undefined;
  const cacheOf = ({ cache = ownCache }: Access): IndexedCache => indexedCache(cache);

  const hashed = async (access: Access): Promise<Fingerprint> => {
    let done = 0;
    const found = await rows.csv.fingerprint((more) => tellShare(access, `verifying ${path}`, (done += more) / bytes));
    checkUnchanged(path, stats, await rows.csv.stats());
    if (content !== undefined && !isSameContent(content, found)) {
      throw userError('data', {
        where: path,
        message: 'changed, although its size, times and inode match the cache',
        fix: 'run again with --verify-data',
      });
    }
    return (content = found);
  };
  return {
    file,
    rows,
    stats,
    bytes,
    cacheOf,
    hashed,
    async identify(access) {
      if (content !== undefined) return content;
      const kept = await cacheOf(access).index.entriesOf(path, cacheFolders(path, access.cache?.folder, home));
      content = access.verifyData === true ? undefined : knownContent(kept, stats);
      if (content === undefined && kept.some(({ entry }) => isSameSize(entry.stats, stats))) await hashed(access);
      return content;
    },
  };
}
