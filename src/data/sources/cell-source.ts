import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { writeFolder, writeSynced } from '../../disk.js';
import type { Fitted } from '../../features/feature-types.js';
import { cached, ENTRY } from '../cache/cache.js';
import { shardDataset } from '../batches/dataset.js';
import { encodeRows, encodeShards, replayRejects } from '../encoding/encode-shards.js';
import { checkUnchanged } from '../files/fingerprint.js';
import { fitFeatures, fitsOf } from '../encoding/fit.js';
import { blockColumns } from '../rows/row-block.js';
import { recipeOf } from '../rows/row-format.js';
import { openRows } from '../files/row-reader.js';
import { openShards } from '../shards/reader.js';
import { asStored } from '../shards/shard-view.js';
import type { Reading, Source } from './source.js';

/** A file is encoded by several threads where it has more bytes: two break even at some 120 MB, and save a third of the time at 500 MB. */
const THREADED_BYTES = 64e6;
/** More threads would wait for the one that reads and writes. */
const MAX_THREADS = 8;
const FITTED = 'fitted.json';

/**
 * Opens a file of cells, a CSV. It is read when something is to be fitted on it and when it is encoded; both are kept in the
 * cache, so that the next run does not read it.
 */
export async function openCellSource(path: string, columns: readonly string[]): Promise<Source> {
  const rows = await openRows(path, columns);
  const fingerprint = await rows.csv.fingerprint();
  /** Looks at every row, and whether they are still the rows that were there when it was opened. */
  const readWhole = async <Result>(what: string, { onProgress, signal }: Reading, read: (onShare: (share: number) => void) => Promise<Result>): Promise<Result> => {
    const result = await read((share) => {
      onProgress?.({ what: `${what} ${path}`, share });
      // Signals are heard only when the event loop gets a turn; a read of the file is one.
      signal?.throwIfAborted();
    });
    checkUnchanged(path, fingerprint, await rows.csv.fingerprint());
    return result;
  };
  return {
    path,

    async fit(format, reading) {
      if (fitsOf(format).size === 0) return {};
      const request = { kind: 'fitted', source: path, fingerprint, recipe: recipeOf(format) } as const;
      let fitted: Fitted | undefined;
      const folder = await cached(reading.cache ?? {}, request, async (target, entry) => {
        fitted = await readWhole('learning vocabularies and scales from', reading, (onShare) => fitFeatures(rows, format, reading.policy, onShare));
        const text = JSON.stringify(fitted);
        await writeFolder(target, async (temporary) => {
          await writeSynced(join(temporary, FITTED), text);
          await writeSynced(join(temporary, ENTRY), entry);
        });
      });
      // What an earlier run wrote, whole; the fields check what they are given.
      return fitted ?? (JSON.parse(await readFile(join(folder, FITTED), 'utf8')) as Fitted);
    },

    async dataset(format, reading) {
      const bytes = Object.values(fingerprint).reduce((sum, { size }) => sum + size, 0);
      const threads = bytes > THREADED_BYTES ? Math.min(MAX_THREADS, reading.threads ?? availableParallelism()) : 1;
      const request = { kind: 'rows', source: path, fingerprint, recipe: [recipeOf(format), format.fitted] } as const;
      const folder = await cached(reading.cache ?? {}, request, (target, entry) =>
        encodeShards(target, entry, path, format, reading.policy, (policy, writer) =>
          readWhole('encoding', reading, (onShare) => encodeRows(rows, format, policy, writer, onShare, { threads })),
        ),
      );
      // Those that were told just now are told once.
      await replayRejects(folder, path, reading.policy);
      // It was there a moment ago.
      const shards = (await openShards(folder))!;
      return shardDataset(shards, asStored(shards, blockColumns(format)));
    },
  };
}
