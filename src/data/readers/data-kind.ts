import { rethrowLimit } from '../../core/errors.js';
import { readHead } from './byte-chunks.js';
import { beginsAsParquet } from './parquet/is-parquet.js';

/** Names of files of rows, perhaps compressed. */
const NAME = /\.(csv|tsv|txt|tab|psv|jsonl|ndjson|json|parquet|parq|pqt)(\.(gz|zst|zstd))?$/i;

/** Returns whether a file of a directory contains rows: by its name, or if it begins like Parquet. */
export function isDataName(path: string): boolean {
  if (NAME.test(path)) return true;
  try {
    return beginsAsParquet(readHead(path).bytes);
  } catch (error) {
    rethrowLimit(path, error);
    return false;
  }
}
