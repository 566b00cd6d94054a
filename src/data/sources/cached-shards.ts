import { availableParallelism } from 'node:os';
import { toFittedKey } from '../../features/fitted.js';
import { cached, recipe, sharedRecipe, type CacheRequest } from '../cache/cache.js';
import { replayRejects, writeCacheFolder, writeRows, type CacheFolder } from '../encoding/write-rows.js';
import { encodeRows } from '../pipeline.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import { eventSizes } from '../rows/event-columns.js';
import { recipeOf, storedColumns, withFilter, type EncodedFormat } from '../rows/row-format.js';
import { countLeftOut } from '../rows/row-rule.js';
import { createSampler, type Sampler } from '../rows/sampling.js';
import { openShards, type Shards } from '../shards/reader.js';
import { reportShare, type CellPart } from './cell-part.js';
import { cachedRawRows, fromRawRows, RAW_POLICY, type RawRows } from './raw-rows.js';
import type { Access, Reading } from './source.js';

/**
 * Several threads encode a file of more bytes. On two cores they save a third of the time of expensive columns, such as
 * crosses, and nothing of plain ones.
 */
const THREADED_BYTES = 64e6;
/** More threads would wait for the one that reads and writes. */
const MAX_THREADS = 8;

/** Returns the number of threads that encode the files of a part. */
export function encodingThreads({ bytes }: CellPart, { threads = availableParallelism() }: Reading): number {
  return bytes > THREADED_BYTES ? Math.min(MAX_THREADS, threads) : 1;
}

/** Returns the request for the shards of a part. */
export function shardsRequest(part: CellPart, format: EncodedFormat, access: Access): Promise<CacheRequest> {
  const own = part.recipe;
  const shared = sharedRecipe(format, ['rows', ...own], () =>
    recipe('rows', [recipeOf(format), ...own], [toFittedKey(format.fitted)]),
  );
  return part.request('rows', shared, access);
}

/**
 * Opens the shards of a part, which is encoded if they are not cached.
 * @param keepsRaw whether its raw rows are cached too
 * @throws UserError (data) for an invalid row that the policy does not skip; (disk)
 */
export async function cachedShards(
  part: CellPart,
  format: EncodedFormat,
  reading: Reading,
  keepsRaw: boolean,
): Promise<Shards> {
  const source = part.path;
  const request = await shardsRequest(part, format, reading);
  const folder = await cached(part.cacheOf(reading), request, async (path, entry) => {
    const target = { path, source, columns: storedColumns(format), entry };
    const encode = (raw?: RawRows): Promise<void> => encodePart(part, target, format, reading, raw);
    const fromRaw = async (): Promise<void> => encode(await cachedRawRows(part, format, reading));
    await (keepsRaw ? fromRawRows(fromRaw, encode) : encode());
  });
  // A policy counts each reported row once.
  await replayRejects(folder, source, reading.policy);
  // It existed a moment ago.
  return (await openShards(folder))!;
}

/** Encodes the files of a part, or their raw rows. */
function encodePart(
  part: CellPart,
  target: CacheFolder<Fingerprint>,
  format: EncodedFormat,
  reading: Reading,
  raw: RawRows | undefined,
): Promise<void> {
  const isRaw = raw !== undefined;
  return writeCacheFolder(target, reading.policy, async (policy, writer) => {
    if (isRaw) await replayRejects(raw.folder, part.path, policy);
    const batches = encodeRows(isRaw ? raw.rows : part.rows, isRaw ? withFilter(format, undefined) : format, {
      isStored: true,
      onShare: (share) => reportShare(reading, `encoding ${part.path}`, share),
      threads: isRaw ? 1 : encodingThreads(part, reading),
      onWarning: (text) => reading.cache?.onWarning?.(text),
    });
    const leftOut = new Map(raw?.leftOut);
    countLeftOut(leftOut, await writeRows(batches, isRaw ? RAW_POLICY : policy, writer, samplerOf(format)));
    const read = await (isRaw ? part.fingerprint(reading) : part.hash(reading));
    return { sizes: sizesOf(format), leftOut, read };
  });
}

/** Returns the number of ids of each field; numbers of items are stored with id 0. */
function sizesOf({ fields }: EncodedFormat): ReadonlyMap<string, number> {
  return new Map([...fields.map(({ name, rows }) => [name, Math.max(1, rows)] as const), ...eventSizes(fields)]);
}

function samplerOf(format: EncodedFormat): Sampler | undefined {
  const { sampling, tasks } = format.spec;
  return sampling && createSampler(sampling, tasks, storedColumns(format));
}
