import { readFile } from 'node:fs/promises';
import { systemCode } from '../../core/errors.js';
import type { InitialVectors } from '../../features/init-from.js';
import { vectorError, type VectorFile } from './format.js';

/**
 * Reads the values of the rows of a file, one per line; without a file of keys, a row's value is its number.
 * @throws UserError (data) if the file cannot be read or has another number of lines
 */
export async function readKeys({ file, keys }: InitialVectors, rows: number): Promise<VectorFile['keyOf']> {
  if (keys === undefined) return String;
  const text = await readFile(keys, 'utf8').catch((error: unknown) => {
    throw vectorError(
      keys,
      `cannot be read (${systemCode(error) ?? String(error)})`,
      'correct the path in initFrom.keys',
    );
  });
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length !== rows)
    throw vectorError(keys, `has ${lines.length} lines, but ${file} has ${rows} rows`, 'write one value per row');
  return (row) => lines[row]!;
}
