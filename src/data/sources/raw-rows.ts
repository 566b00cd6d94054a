import { openRawRows, rawCollector, rawColumns, rawStorage } from '../encoding/raw-chunks.js';
import { startFits } from '../encoding/fit-readers.js';
import { replayRejects, writeCacheFolder, writeRows } from '../encoding/write-rows.js';
import { cached, recipe, sharedRecipe } from '../cache/cache.js';
import type { RowSource } from '../readers/cell-file.js';
import { collectRows } from '../pipeline.js';
import type { RejectPolicy } from '../rows/rejects.js';
import { recipeOf, unsampled, type RowFormat } from '../rows/row-format.js';
import type { LeftOut } from '../rows/row-rule.js';
import { leftOutOf } from '../shards/counts.js';
import { openShards } from '../shards/reader.js';
import { reportShare, type CellPart } from './cell-part.js';
import type { Reading } from './source.js';

/** The raw rows of the files of a part, and the rows that were excluded from them. */
export interface RawRows {
  /** Folder of the cache that contains them. */
  readonly folder: string;
  /** By file. */
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
  const { path: source, rows } = part;
  const own = part.recipe;
  const shared = sharedRecipe(format, ['local', ...own], () => recipe('local', [recipeOf(unsampled(format)), ...own]));
  const request = await part.request('local', shared, reading);
  const folder = await cached(part.cacheOf(reading), request, (path, entry) => {
    const columns = rawStorage(rawColumns(format));
    const target = { path, source, columns, entry };
    return writeCacheFolder(target, reading.policy, async (policy, writer) => {
      const { collector, texts } = rawCollector(rows[0]!.columns, format);
      const onShare = (share: number): void => reportShare(reading, `reading ${source}`, share);
      const leftOut = await writeRows(collectRows(rows, collector, onShare), policy, writer, undefined);
      const vocabularies = texts();
      const sizes = columns.map(({ name }) => [name, sizeOf(vocabularies.get(name))] as const);
      return { leftOut, vocabularies, sizes: new Map(sizes), read: await part.hash(reading) };
    });
  });
  await replayRejects(folder, source, reading.policy);
  // It existed a moment ago.
  const shards = (await openShards(folder))!;
  const files = rows.map(({ columns }) => columns);
  return { folder, rows: await openRawRows(shards, format, files), leftOut: leftOutOf(shards.manifest) };
}

function sizeOf(texts: { readonly offsets: Uint32Array } | undefined): number {
  return texts === undefined ? END_OF_IDS : texts.offsets.length - 1;
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

/** Policy for raw rows, which were valid in their file. */
export const RAW_POLICY: RejectPolicy = {
  count: 0,
  reject({ expected }) {
    throw new InvalidRawRow(expected);
  },
};

/** Returns the policy for raw rows, with the reasons of a policy for the rows of files. */
export function rawPolicy({ reasons }: RejectPolicy): RejectPolicy {
  return reasons === undefined ? RAW_POLICY : { ...RAW_POLICY, reasons };
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
