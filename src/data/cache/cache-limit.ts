import { userError } from '../../core/errors.js';
import { parseBytes } from '../../text/number-text.js';

/** Environment variable with the maximum size of a cache directory. */
export const CACHE_SIZE = 'MTL_CACHE_SIZE';
const DEFAULT = '10GiB';

/**
 * Returns the maximum size of a cache directory in bytes.
 * @throws UserError (usage) for a value of MTL_CACHE_SIZE that is no size
 */
export function cacheLimit(): number {
  const given = process.env[CACHE_SIZE] ?? '';
  return sizeIn(CACHE_SIZE, given === '' ? DEFAULT : given);
}

/**
 * Parses the size of a cache.
 * @param where the option or variable that has it
 * @throws UserError (usage) for what is no size
 */
export function sizeIn(where: string, text: string): number {
  const size = parseBytes(text);
  if (size !== undefined) return size;
  const message = `expected a size such as ${DEFAULT}, found ${JSON.stringify(text)}`;
  throw userError('usage', { where, message, fix: 'use a number and a unit: B, kB, MB, GB, KiB, MiB, GiB or TiB' });
}
