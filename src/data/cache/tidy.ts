import { UserError } from '../../core/errors.js';
import { bytes as sizeText, count } from '../../text/number-text.js';
import type { IndexedCache } from './cache.js';
import { CACHE_SIZE } from './cache-limit.js';
import { listCache, removeCached, type CachedFolder } from './cache-list.js';
import { whileEvicting } from './leases.js';

/** Entries that a cache directory should lose. */
export interface Evictions {
  /** Entries that no run can use again, or is likely to. */
  readonly useless: readonly CachedFolder[];
  /** Least recently used entries beyond the maximum size. */
  readonly beyondLimit: readonly CachedFolder[];
}

/** Chooses the entries to remove from a cache directory; never one that a live process uses or writes. */
export function chooseEvictions(all: readonly CachedFolder[], maxBytes: number): Evictions {
  const isFree = ({ state, isUsed }: CachedFolder): boolean => !isUsed && state !== 'being written';
  const useless = all.filter((each) => isFree(each) && each.state !== 'fits');
  let left = all.reduce((sum, { bytes }) => sum + bytes, 0) - useless.reduce((sum, { bytes }) => sum + bytes, 0);
  const beyondLimit: CachedFolder[] = [];
  const byAge = all.filter((each) => isFree(each) && each.state === 'fits').sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  for (const each of byAge) {
    if (left <= maxBytes) break;
    beyondLimit.push(each);
    left -= each.bytes;
  }
  return { useless, beyondLimit };
}

/**
 * Removes the chosen entries from a cache directory; none while another process evicts.
 * @throws UserError (disk)
 */
export async function tidyCache(folder: string, maxBytes: number): Promise<Evictions> {
  const evict = async (): Promise<Evictions> => {
    const chosen = chooseEvictions(await listCache(folder), maxBytes);
    await removeCached([...chosen.useless, ...chosen.beyondLimit]);
    return chosen;
  };
  return (await whileEvicting(folder, evict)) ?? { useless: [], beyondLimit: [] };
}

/** Tidies the directories to which entries were added, if this process may. */
export async function tidyWritten({ cache, index, written, maxBytes }: IndexedCache): Promise<void> {
  index.save();
  for (const folder of written) {
    written.delete(folder);
    try {
      const { beyondLimit } = await tidyCache(folder, maxBytes);
      const freed = beyondLimit.reduce((sum, { bytes }) => sum + bytes, 0);
      if (beyondLimit.length === 0) continue;
      const removed = `removed the ${count(beyondLimit.length)} least recently used entries, ${sizeText(freed)}`;
      cache.onWarning?.(
        `${folder}: ${removed}, to stay below ${sizeText(maxBytes)}; set ${CACHE_SIZE} to change the limit`,
      );
    } catch (error) {
      // Entries of another user stay.
      if (!(error instanceof UserError && error.kind === 'disk')) throw error;
    }
  }
}
