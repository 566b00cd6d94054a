import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../core/errors.js';
import { textsFrom, textsOfTensors, type StringPool } from '../../features/vocabulary/string-pool.js';
import { readSafetensors } from '../../io/safetensors.js';
import { BLAME_DATA, shardError, type ShardColumn } from './manifest.js';

/** Prefix of the names of a vocabulary's tensors. */
export const VOCABULARY = 'vocabulary';

/**
 * Reads the string of each id of a column, from tensors or a JSON array.
 * @throws UserError (data) for any other file
 */
export async function readVocabulary(path: string): Promise<StringPool> {
  try {
    if (path.endsWith('.json')) return textsFrom(z.array(z.string()).parse(JSON.parse(await readFile(path, 'utf8'))));
    const texts = textsOfTensors(await readSafetensors(path, undefined, { blame: BLAME_DATA }), VOCABULARY);
    if (texts !== undefined) return texts;
  } catch (error) {
    throw error instanceof UserError && error.kind !== 'checkpoint' ? error : vocabularyError(path, error);
  }
  throw vocabularyError(path);
}

/** Returns the file with the strings of a column; undefined without one. */
export function vocabularyFile(column: ShardColumn): string | undefined {
  return 'vocabulary' in column ? column.vocabulary : undefined;
}

/**
 * Reads the strings of the columns of a directory that have a vocabulary, by column.
 * @throws UserError (data) for a file that is no vocabulary
 */
export async function readVocabularies(
  folder: string,
  columns: readonly ShardColumn[],
): Promise<ReadonlyMap<string, StringPool>> {
  const vocabularies = new Map<string, StringPool>();
  for (const column of columns) {
    const file = vocabularyFile(column);
    if (file !== undefined) vocabularies.set(column.name, await readVocabulary(join(folder, file)));
  }
  return vocabularies;
}

function vocabularyError(where: string, cause?: unknown): UserError {
  const message =
    `is not a vocabulary; expected a JSON array of strings, or tensors '${VOCABULARY}.bytes' and ` +
    `'${VOCABULARY}.offsets'`;
  return shardError({ where, message }, cause);
}
