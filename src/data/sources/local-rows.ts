import { BadValue } from '../../features/feature.js';
import { cached, recipe, sharedRecipe } from '../cache/cache.js';
import { keepShards, replayRejects } from '../encoding/encode-shards.js';
import { fitsOf } from '../encoding/fit.js';
import { localRows, NotLocal } from '../encoding/local-columns.js';
import { writeLocalRows } from '../encoding/write-local.js';
import { recipeOf, unsampled, type RowFormat } from '../rows/row-format.js';
import { openShards, type Shards } from '../shards/reader.js';
import { tellShare, type CellPart } from './cell-part.js';
import type { Reading } from './source.js';

/**
 * The rows of a file in numbers of its own, read where they are not kept. Neither what is learned nor which rows are
 * left out by chance
 * has a say in them.
 * @param own what else decides what becomes of the file
 * @throws UserError (data) for a row that the policy does not let pass; (disk)
 * @throws NotLocal
 */
export async function keptLocalRows(
  part: CellPart,
  own: readonly unknown[],
  format: RowFormat,
  reading: Reading,
): Promise<Shards> {
  const { file, rows, stats } = part;
  const request = {
    kind: 'local',
    source: file.path,
    home: file.home,
    stats,
    fingerprint: await part.identify(reading),
    recipe: sharedRecipe(format, ['local', ...own], () => recipe('local', [recipeOf(unsampled(format)), ...own])),
  } as const;
  const folder = await cached(part.cacheOf(reading), request, (target, entry) =>
    keepShards(target, entry, file.path, localRows(format).columns, reading.policy, async (policy, writer) => {
      const written = await writeLocalRows(rows, format, policy, writer, (share) =>
        tellShare(reading, `reading ${file.path}`, share),
      );
      return { ...written, read: await part.hashed(reading) };
    }),
  );
  await replayRejects(folder, file.path, reading.policy);
  // It was there a moment ago.
  return (await openShards(folder))!;
}

/** Whether local rows are of use: anything that is learned may be another when there is a file more. */
export function learnsAnything(format: RowFormat): boolean {
  return fitsOf(format).size > 0;
}

/**
 * What local rows give; where the files do not agree with each other, what the files themselves do, which say where.
 */
export async function fromLocalRows<Found>(local: () => Promise<Found>, files: () => Promise<Found>): Promise<Found> {
  try {
    return await local();
  } catch (error) {
    if (!(error instanceof BadValue) && !(error instanceof NotLocal)) throw error;
    return files();
  }
}
