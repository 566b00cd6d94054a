import { rethrowLimit } from '../../core/errors.js';
import { readHead } from './byte-chunks.js';

/** Names of files of rows, perhaps compressed. */
const NAME = /\.(csv|tsv|txt|tab|psv|jsonl|ndjson|json|parquet|parq|pqt)(\.(gz|zst|zstd))?$/i;

/** Returns whether a file of a directory contains rows: by its name, or if it begins like Parquet. */
export function isDataName(path: string): boolean {
  if (NAME.test(path)) return true;
  try {
    return ['PAR1', 'PARE'].includes(readHead(path).bytes.toString('latin1', 0, 4));
  } catch (error) {
    rethrowLimit(path, error);
    return false;
  }
}
