import { readSync, openSync, closeSync } from 'node:fs';
import { rethrowLimit } from '../../core/errors.js';

/** What a file of rows is called by its name: one of these, and perhaps compressed. */
const NAME = /\.(csv|tsv|txt|tab|psv|jsonl|ndjson|json|parquet|parq|pqt)(\.(gz|zst|zstd))?$/i;

/** Whether a file of a folder holds rows: its name says so, or it begins as Parquet does. */
export function isDataName(path: string): boolean {
  return NAME.test(path) || beginsAsParquet(path);
}

function beginsAsParquet(path: string): boolean {
  try {
    const file = openSync(path, 'r');
    try {
      const start = Buffer.alloc(4);
      readSync(file, start, 0, 4, 0);
      return ['PAR1', 'PARE'].includes(start.toString('latin1'));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rethrowLimit(path, error);
    return false;
  }
}
