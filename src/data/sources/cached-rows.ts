import { availableParallelism } from 'node:os';
import { toFittedKey } from '../../features/fitted.js';
import { recipe, sharedRecipe, type Recipe } from '../cache/cache.js';
import { startFits } from '../encoding/fit-chunks.js';
import { openRawRows, rawCollector, rawColumns, rawStorage } from '../encoding/raw-chunks.js';
import { replayRejects, writeRows, type WrittenRows } from '../encoding/write-rows.js';
import { collectRows, encodeRows } from '../pipeline.js';
import type { RowSource } from '../readers/cell-file.js';
import type { Fingerprint } from '../readers/fingerprint.js';
import { eventSizes } from '../rows/event-columns.js';
import { countLeftOut, type LeftOut, type RejectPolicy } from '../rows/rejects.js';
import {
  toRecipe,
  storedColumns,
  unsampled,
  withFilter,
  type EncodedFormat,
  type RowFormat,
} from '../rows/row-format.js';
import { createSampler } from '../rows/sampling.js';
import { readLeftOut } from '../shards/counts.js';
import { openShards, type Shards } from '../shards/reader.js';
import type { ShardWriter } from '../shards/writer.js';
import { reportShare, type CellPart } from './cell-part.js';
import type { Access, Reading } from './source.js';

// Rows of a part in the cache: raw ones, from which all parts are fitted and encoded again if another file is added,
// and encoded ones.

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

/** The raw rows of the files of a part, and the rows that were excluded from them. */
export interface RawRows {
  /** Folder of the cache that contains them. */
  readonly folder: string;
  /** One entry per file. */
  readonly rows: readonly RowSource[];
  readonly leftOut: LeftOut;
}

/** Exclusive upper bound of ids in a manifest. */
const END_OF_IDS = 2 ** 31;

/**
 * Opens the raw rows of a part, which are read from its files if they are not cached.
 * @throws UserError (data) for an invalid row that the policy does not skip; (disk)
 */
export async function cachedRawRows(part: CellPart, format: RowFormat, reading: Reading): Promise<RawRows> {
  const { path, rows, recipe: own } = part;
  const shared = sharedRecipe(format, ['local', ...own], () => recipe('local', [toRecipe(unsampled(format)), ...own]));
  const columns = rawStorage(rawColumns(format));
  const folder = await part.cachedRows('local', shared, columns, reading, async (policy, writer) => {
    const { collector, texts } = rawCollector(rows[0]!.columns, format);
    const onShare = (share: number): void => reportShare(reading, `reading ${path}`, share);
    const leftOut = await writeRows(collectRows(rows, collector, onShare), policy, writer, undefined);
    const vocabularies = texts();
    const sizes = columns.map(({ name }): [string, number] => {
      const ends = vocabularies.get(name)?.offsets;
      return [name, ends === undefined ? END_OF_IDS : ends.length - 1];
    });
    return { leftOut, vocabularies, sizes: new Map(sizes), read: await part.hash(reading) };
  });
  const shards = await openCached(folder, part, reading);
  const files = rows.map((file) => file.columns);
  return { folder, rows: await openRawRows(shards, format, files), leftOut: readLeftOut(shards.manifest) };
}

/** Returns whether raw rows are useful: what is fitted may change when there is another file. */
export function fitsAnything(format: RowFormat): boolean {
  return startFits(format).size > 0;
}

/** Returns whether raw rows are always read like the rows of their files. */
export function areRawRowsExact(format: RowFormat): boolean {
  return !rawColumns(format).some(({ isAmbiguous }) => isAmbiguous);
}

/** Thrown if a raw row is invalid: whether it is depends on the files before it. */
class InvalidRawRow extends Error {
  override readonly name = 'InvalidRawRow';
}

/** Returns the policy for raw rows, which were valid in their file, with the reasons of a policy for rows of files. */
export function rawPolicy({ reasons }: RejectPolicy): RejectPolicy {
  return {
    count: 0,
    ...(reasons && { reasons }),
    reject({ expected }) {
      throw new InvalidRawRow(expected);
    },
  };
}

/** Returns what raw rows give; if files disagree, what the files themselves give, with the location of the problem. */
export async function fromRawRows<Found>(raw: () => Promise<Found>, files: () => Promise<Found>): Promise<Found> {
  try {
    return await raw();
  } catch (error) {
    if (!(error instanceof InvalidRawRow)) throw error;
    return files();
  }
}

function shardsRecipe({ recipe: own }: CellPart, format: EncodedFormat): Recipe {
  return sharedRecipe(format, ['rows', ...own], () =>
    recipe('rows', [toRecipe(format), ...own], [toFittedKey(format.fitted)]),
  );
}

/** Returns whether the shards of any part are not cached. */
export async function lackShards(parts: readonly CellPart[], format: EncodedFormat, access: Access): Promise<boolean> {
  for (const part of parts) if (await part.lacks('rows', shardsRecipe(part, format), access)) return true;
  return false;
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
  const encode = (openRaw?: () => Promise<RawRows>): Promise<string> =>
    part.cachedRows('rows', shardsRecipe(part, format), storedColumns(format), reading, async (policy, writer) =>
      encodePart(part, format, { ...reading, policy }, writer, await openRaw?.()),
    );
  const fromRaw = (): Promise<string> => encode(() => cachedRawRows(part, format, reading));
  return openCached(await (keepsRaw ? fromRawRows(fromRaw, () => encode()) : encode()), part, reading);
}

/** Opens rows in the cache, and reports the invalid rows of their files: a policy counts each reported row once. */
async function openCached(folder: string, { path }: CellPart, { policy }: Reading): Promise<Shards> {
  await replayRejects(folder, path, policy);
  // It existed a moment ago.
  return (await openShards(folder))!;
}

/** Encodes the files of a part, or their raw rows. */
async function encodePart(
  part: CellPart,
  format: EncodedFormat,
  reading: Reading,
  writer: ShardWriter,
  raw: RawRows | undefined,
): Promise<WrittenRows<Fingerprint>> {
  const { policy, cache } = reading;
  const { sampling, tasks } = format.spec;
  const isRaw = raw !== undefined;
  if (isRaw) await replayRejects(raw.folder, part.path, policy);
  const batches = encodeRows(isRaw ? raw.rows : part.rows, isRaw ? withFilter(format, undefined) : format, {
    isStored: true,
    onShare: (share) => reportShare(reading, `encoding ${part.path}`, share),
    threads: isRaw ? 1 : encodingThreads(part, reading),
    onWarning: (text) => cache?.onWarning?.(text),
  });
  const sampler = sampling && createSampler(sampling, tasks, storedColumns(format));
  const leftOut = new Map(raw?.leftOut);
  countLeftOut(leftOut, await writeRows(batches, isRaw ? rawPolicy(policy) : policy, writer, sampler));
  const read = await (isRaw ? part.fingerprint(reading) : part.hash(reading));
  return { sizes: sizesOf(format), leftOut, read };
}

/** Returns the number of ids of each field; numbers of items are stored with id 0. */
function sizesOf({ fields }: EncodedFormat): ReadonlyMap<string, number> {
  return new Map([...fields.map(({ name, rows }) => [name, Math.max(1, rows)] as const), ...eventSizes(fields)]);
}
