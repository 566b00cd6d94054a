import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { DialectOptions } from '../dialect.js';
import { writeFolder, writeSynced } from '../../disk.js';
import type { Fitted } from '../../features/feature-types.js';
import { keyOfFitted } from '../../features/fitted.js';
import { cached, cacheFolders } from '../cache/cache.js';
import { ENTRY, keptUnderName, knownContent } from '../cache/entry.js';
import { readFitted, writeFitted } from '../cache/fitted-folder.js';
import { shardDataset } from '../batches/dataset.js';
import { encodeRows, encodeShards, replayRejects } from '../encoding/encode-shards.js';
import { userError } from '../../errors.js';
import { checkUnchanged, isSameContent, isSameSize, type Fingerprint } from '../files/fingerprint.js';
import { fitFeatures, fitsOf } from '../encoding/fit.js';
import { streamRows } from '../encoding/stream-rows.js';
import { blockColumns } from '../rows/row-block.js';
import { recipeOf } from '../rows/row-format.js';
import { openRows } from '../files/row-reader.js';
import { idCountsOf } from '../shards/id-counts.js';
import { openShards } from '../shards/reader.js';
import { asStored } from '../shards/shard-view.js';
import type { Access, Reading, Source } from './source.js';

/** A file is encoded by several threads where it has more bytes: two break even at some 120 MB, and save a third of the time at 500 MB. */
const THREADED_BYTES = 64e6;
/** More threads would wait for the one that reads and writes. */
const MAX_THREADS = 8;

/**
 * Opens a file of cells, a CSV. It is read when something is to be fitted on it and when it is encoded; both are kept in the
 * cache, so that the next run does not read it.
 */
export async function openCellSource(path: string, columns: readonly string[], dialect: DialectOptions): Promise<Source> {
  const rows = await openRows(path, columns, dialect);
  const stats = await rows.csv.stats();
  const bytes = Object.values(stats).reduce((sum, file) => sum + file.bytes, 0);
  /** What the source holds, once that is known. */
  let content: Fingerprint | undefined;

  const tell = ({ onProgress, signal }: Access, what: string, share: number): void => {
    onProgress?.({ what: `${what} ${path}`, share });
    // Signals are heard only when the event loop gets a turn; a read of the file is one.
    signal?.throwIfAborted();
  };
  /** Reads all bytes where they have not passed yet, and looks whether they are still those that were there when it was opened. */
  const hashed = async (access: Access): Promise<Fingerprint> => {
    let done = 0;
    const found = await rows.csv.fingerprint((more) => tell(access, 'verifying', (done += more) / bytes));
    checkUnchanged(path, stats, await rows.csv.stats());
    if (content !== undefined && !isSameContent(content, found)) {
      throw userError('data', { where: path, message: 'was changed though its size, its times and its inode are those of what the cache keeps', fix: 'run again with --verify-data' });
    }
    return (content = found);
  };
  /** What the source holds, where that can be known without reading it; where something kept may be of it, it is read. */
  const identify = async (access: Access): Promise<Fingerprint | undefined> => {
    if (content !== undefined) return content;
    const kept = await keptUnderName(path, cacheFolders(path, access.cache?.folder));
    content = access.verifyData === true ? undefined : knownContent(kept, stats);
    if (content === undefined && kept.some(({ entry }) => isSameSize(entry.stats, stats))) await hashed(access);
    return content;
  };
  /** Looks at every row. */
  const readWhole = async <Result>(what: string, reading: Reading, read: (onShare: (share: number) => void) => Promise<Result>): Promise<{ readonly read: Fingerprint; readonly result: Result }> => {
    const result = await read((share) => tell(reading, what, share));
    return { read: await hashed(reading), result };
  };
  const threadsFor = (reading: Reading): number => (bytes > THREADED_BYTES ? Math.min(MAX_THREADS, reading.threads ?? availableParallelism()) : 1);
  return {
    path,
    columns: rows.csv.header,

    fingerprint: async (access) => (await identify(access)) ?? hashed(access),

    async fit(format, reading) {
      if (fitsOf(format).size === 0) return {};
      const request = { kind: 'fitted', source: path, stats, fingerprint: await identify(reading), recipe: [recipeOf(format), rows.csv.dialect] } as const;
      let fitted: Fitted | undefined;
      const folder = await cached(reading.cache ?? {}, request, async (target, entry) => {
        const { read, result } = await readWhole('learning vocabularies and scales from', reading, (onShare) => fitFeatures(rows, format, reading.policy, onShare));
        fitted = result;
        await writeFolder(target, async (temporary) => {
          await writeFitted(temporary, result);
          await writeSynced(join(temporary, ENTRY), entry(read));
        });
      });
      return fitted ?? (await readFitted(folder));
    },

    async dataset(format, reading) {
      const threads = threadsFor(reading);
      const request = { kind: 'rows', source: path, stats, fingerprint: await identify(reading), recipe: [recipeOf(format), rows.csv.dialect, keyOfFitted(format.fitted)] } as const;
      const folder = await cached(reading.cache ?? {}, request, (target, entry) =>
        encodeShards(target, entry, path, format, reading.policy, async (policy, writer) => {
          const options = { threads, onNotice: (text: string) => reading.cache?.onNotice?.(text) };
          const { read, result: leftOut } = await readWhole('encoding', reading, (onShare) => encodeRows(rows, format, policy, writer, onShare, options));
          return { read, leftOut };
        }),
      );
      // Those that were told just now are told once.
      await replayRejects(folder, path, reading.policy);
      // It was there a moment ago.
      const shards = (await openShards(folder))!;
      return shardDataset(shards, asStored(shards, blockColumns(format)), idCountsOf(shards.manifest));
    },

    async stream(format, kept, reading, take) {
      const opened = await openRows(path, [...new Set([...columns, ...kept])], dialect);
      const onShare = (share: number): void => tell(reading, 'reading', share);
      await streamRows(opened, format, kept, reading.policy, take, onShare, { threads: threadsFor(reading), onNotice: reading.onNotice });
    },
  };
}
