import { randomUUID } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../../io/disk.js';
import { userError } from '../../core/errors.js';
import { SYNC_POINTS } from '../../core/process-group.js';
import { cacheFolders, writableFolder } from '../cache/cache.js';
import { keyOf } from '../readers/fingerprint.js';
import type { CellPart } from './cell-part.js';
import type { Reading, Sharing } from './source.js';

/** What is kept of the files of a source, and how it is made. */
interface Kept<Found> {
  /** Whether something of it is still to be made. */
  isLacking(): Promise<boolean>;
  /** Makes what is kept of a file, where that does not depend on others. */
  readonly make: ((part: CellPart, reading: Reading) => Promise<unknown>) | undefined;
  /** Goes through all files in their order, as one process alone does, and makes what is not there. */
  all(): Promise<Found>;
}

/**
 * Gets what is kept of files. Where several processes ask for it, those that see the same cache make it side by side,
 * each of its share
 * of the files; all of them then find it there. Where a file fails, the first process finds that out again in the order
 * of the files:
 * what it tells is what one alone would.
 * @throws UserError (data) where the processes do not see the same files; and as `all` does
 */
export async function sideBySide<Found>(
  parts: readonly CellPart[],
  reading: Reading,
  { isLacking, make, all }: Kept<Found>,
): Promise<Found> {
  const { sharing } = reading;
  if (sharing === undefined || sharing.peers.size === 1) return all();
  const { peers } = sharing;
  const lacks = await isLacking();
  const seen = peers.allGatherStrings(
    `${lacks ? '+' : '-'}${keyOf(parts.flatMap(({ files }) => files.map(({ path, bytes }) => [path, bytes])))}`,
  );
  refuseOthersFiles(
    parts,
    seen.map((text) => text.slice(1)),
  );
  if (!seen.some((text) => text.startsWith('+'))) return all();

  const mates = await matesOf(parts[0]!, reading, sharing);
  if (make !== undefined) {
    // The rows of a file pass again, in their order, when what is kept of it is read.
    const apart: Reading = { ...reading, policy: sharing.policy, onWarning: () => undefined };
    for (const share of sharesOf(parts, mates, sharing)) {
      const hasFailed = lacks && (await fails(share, (part) => make(part, apart)));
      if (peers.allGatherStrings(hasFailed ? '+' : '').includes('+')) break;
    }
  }
  return peers.rankZeroFirst(all, mates[0] === peers.rank);
}

/** Whether anything fails for one of some files; what it is, is found again by whoever tells it. */
async function fails(parts: readonly CellPart[], make: (part: CellPart) => Promise<unknown>): Promise<boolean> {
  try {
    for (const part of parts) await make(part);
    return false;
  } catch {
    return true;
  }
}

function refuseOthersFiles(parts: readonly CellPart[], keys: readonly string[]): void {
  const other = keys.findIndex((key) => key !== keys[0]);
  if (other === -1) return;
  const [first] = parts;
  throw userError('data', {
    where: first!.path,
    message: `process ${other} reads different files here than process 0: names or sizes differ`,
    fix: 'put the same data under the same paths on every machine, for example on a shared disk',
  });
}

/**
 * The ranks of the processes that see the cache of this one, with its own, from the lowest on: each leaves a mark and
 * looks for those of others.
 */
async function matesOf(
  { path, home }: CellPart,
  { cache = {} }: Reading,
  { peers }: Sharing,
): Promise<readonly number[]> {
  const folder = await writableFolder(cacheFolders(path, cache.folder, home), {});
  const markOf = (rank: number, job: string): string => `.process-${rank}-of-${peers.size}.${job}.tmp`;
  // The first one's, which no other job has.
  const [job] = peers.allGatherStrings(randomUUID());
  const own = join(folder, markOf(peers.rank, job!));
  await onDisk(own, () => writeFile(own, ''));
  peers.allGatherStrings('');
  const names = new Set(await onDisk(folder, () => readdir(folder)));
  peers.allGatherStrings('');
  await onDisk(own, () => rm(own, { force: true }));
  return Array.from({ length: peers.size }, (_, rank) => rank).filter(
    (rank) => rank === peers.rank || names.has(markOf(rank, job!)),
  );
}

/** Assigns the files of each round, in order, each to the process with the fewest bytes so far. */
function sharesOf(
  parts: readonly CellPart[],
  mates: readonly number[],
  { peers }: Sharing,
): readonly (readonly CellPart[])[] {
  const rounds = Math.min(SYNC_POINTS, Math.ceil(parts.length / peers.size));
  const dealt = new Map(mates.map((rank) => [rank, 0]));
  return Array.from({ length: rounds }, (_, round) =>
    parts
      .slice(Math.floor((round * parts.length) / rounds), Math.floor(((round + 1) * parts.length) / rounds))
      .filter(({ bytes }) => {
        const [least] = [...dealt].reduce((best, each) => (each[1] < best[1] ? each : best));
        dealt.set(least, dealt.get(least)! + bytes);
        return least === peers.rank;
      }),
  );
}
