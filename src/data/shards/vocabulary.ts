import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { UserError, userError } from '../../core/errors.js';
import { textsFrom, textsOfTensors, type StringPool } from '../../features/vocabulary/string-pool.js';
import { readSafetensors } from '../../io/safetensors.js';
import { BLAME_DATA } from './manifest.js';

/** How the names of a vocabulary's tensors begin. */
export const VOCABULARY = 'vocabulary';

/**
 * Reads the texts of a column's ids: tensors, or a JSON list.
 * @throws UserError (data) for a file that is neither
 */
export async function readVocabulary(path: string): Promise<StringPool> {
  try {
    if (path.endsWith('.json')) return textsFrom(z.array(z.string()).parse(JSON.parse(await readFile(path, 'utf8'))));
    const texts = textsOfTensors(await readSafetensors(path, undefined, { blame: BLAME_DATA }), VOCABULARY);
    if (texts !== undefined) return texts;
  } catch (error) {
    throw error instanceof UserError ? error : notOne(path, error);
  }
  throw notOne(path);
}

function notOne(path: string, cause?: unknown): Error {
  const message =
    `is not a vocabulary; expected a JSON array of strings, or tensors '${VOCABULARY}.bytes' and ` +
    `'${VOCABULARY}.offsets'`;
  return userError('data', { where: path, message, fix: BLAME_DATA.fix }, cause);
}
