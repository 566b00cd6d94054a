import { randomUUID } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../../io/disk.js';
import { userError } from '../../core/errors.js';
import { SYNC_POINTS } from '../../core/process-group.js';
import { cacheFolders, writableFolder } from '../cache/cache.js';
import { makeKey } from '../readers/fingerprint.js';
import type { CellPart } from './cell-part.js';
import type { Reading, Sharing } from './source.js';

/** Cache entries of the files of a source, and how they are created. */
interface Kept<Found> {
  /** Returns whether an entry is missing. */
  isLacking(): Promise<boolean>;
  /** Creates the entry of a part; undefined if it depends on other parts. */
  readonly make: ((part: CellPart, reading: Reading) => Promise<unknown>) | undefined;
  /** Reads all files in order, like a single process, and creates missing entries. */
  all(): Promise<Found>;
}

/**
 * Reads the files of a source. If several ranks do, ranks with the same cache first create missing entries in parallel,
 * each for a share of the files. If a file fails, rank 0 reads all files in order, so that the error is the error of a
 * single process.
 * @throws UserError (data) if the ranks have different files; and as `all` does
 */
export async function encodeDistributed<Found>(
  parts: readonly CellPart[],
  reading: Reading,
  { isLacking, make, all }: Kept<Found>,
): Promise<Found> {
  const { sharing } = reading;
  if (sharing === undefined || sharing.peers.size === 1) return all();
  const { peers } = sharing;
  const lacks = await isLacking();
  const files = makeKey(parts.flatMap((part) => part.files.map(({ path, bytes }) => [path, bytes])));
  const seen = peers.allGatherStrings(`${lacks ? '+' : '-'}${files}`);
  refuseOtherFiles(parts[0]!.path, seen);
  if (!seen.some((text) => text.startsWith('+'))) return all();

  const mates = await matesOf(parts[0]!, reading, sharing);
  if (make !== undefined) {
    // Invalid rows are reported in order when the entries are read.
    const quiet: Reading = { ...reading, policy: sharing.policy, onWarning: () => undefined };
    for (const share of sharesOf(parts, mates, sharing)) {
      const hasFailed = lacks && (await fails(share, (part) => make(part, quiet)));
      if (peers.allGatherStrings(hasFailed ? '+' : '').includes('+')) break;
    }
  }
  const read = (): Promise<Found> => {
    parts[0]!.cacheOf(reading).index.refresh();
    return all();
  };
  return peers.rankZeroFirst(read, mates[0] === peers.rank);
}

/** Returns whether the entry of any part cannot be created; the error occurs again when all files are read. */
async function fails(parts: readonly CellPart[], make: (part: CellPart) => Promise<unknown>): Promise<boolean> {
  try {
    for (const part of parts) await make(part);
    return false;
  } catch {
    return true;
  }
}

/** @param seen a sign and the key of the files of each rank */
function refuseOtherFiles(where: string, seen: readonly string[]): void {
  const other = seen.findIndex((text) => text.slice(1) !== seen[0]!.slice(1));
  if (other !== -1)
    throw userError('data', {
      where,
      message: `process ${other} reads different files here than process 0: names or sizes differ`,
      fix: 'put the same data under the same paths on every machine, for example on a shared disk',
    });
}

/**
 * Returns the ranks with the same cache as this one, including its own, in increasing order. Each creates a mark in the
 * cache and lists the marks of the others.
 */
async function matesOf(
  { path, home }: CellPart,
  { cache = {} }: Reading,
  { peers }: Sharing,
): Promise<readonly number[]> {
  const folder = await writableFolder(cacheFolders(path, cache.folder, home), {});
  const markOf = (rank: number, job: string): string => `.process-${rank}-of-${peers.size}.${job}.tmp`;
  // The identifier of rank 0 for this job.
  const [job] = peers.allGatherStrings(randomUUID());
  const own = join(folder, markOf(peers.rank, job!));
  await onDisk(own, () => writeFile(own, ''));
  peers.allGatherStrings('');
  const names = new Set(await onDisk(folder, () => readdir(folder)));
  peers.allGatherStrings('');
  await onDisk(own, () => rm(own, { force: true }));
  return [...Array(peers.size).keys()].filter((rank) => names.has(markOf(rank, job!)));
}

/** Assigns the files of each round, in order, each to the process with the fewest bytes so far. */
function sharesOf(
  parts: readonly CellPart[],
  mates: readonly number[],
  { peers }: Sharing,
): readonly (readonly CellPart[])[] {
  const rounds = Math.min(SYNC_POINTS, Math.ceil(parts.length / peers.size));
  const assigned = new Map(mates.map((rank) => [rank, 0]));
  return Array.from({ length: rounds }, (_, round) =>
    parts
      .slice(Math.floor((round * parts.length) / rounds), Math.floor(((round + 1) * parts.length) / rounds))
      .filter(({ bytes }) => {
        const [least] = [...assigned].reduce((best, each) => (each[1] < best[1] ? each : best));
        assigned.set(least, assigned.get(least)! + bytes);
        return least === peers.rank;
      }),
  );
}
