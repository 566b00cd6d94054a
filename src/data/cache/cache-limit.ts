import { userError } from '../../core/errors.js';
import { parseBytes } from '../../text/number-text.js';

/** Environment variable with the maximum size of a cache directory. */
export const CACHE_SIZE = 'MTL_CACHE_SIZE';
const DEFAULT = '10GiB';

/**
 * Returns the maximum size of a cache directory in bytes.
 * @throws UserError (usage) if MTL_CACHE_SIZE is not a size
 */
export function cacheLimit(): number {
  const given = process.env[CACHE_SIZE] ?? '';
  return sizeIn(CACHE_SIZE, given === '' ? DEFAULT : given);
}

/**
 * Parses the size of a cache.
 * @param where name of the option or variable
 * @throws UserError (usage) if the text is not a size
 */
export function sizeIn(where: string, text: string): number {
  const size = parseBytes(text);
  if (size !== undefined) return size;
  const message = `expected a size such as ${DEFAULT}, found ${JSON.stringify(text)}`;
  throw userError('usage', { where, message, fix: 'use a number and a unit: B, kB, MB, GB, KiB, MiB, GiB or TiB' });
}
