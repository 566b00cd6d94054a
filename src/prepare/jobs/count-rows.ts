import { createColumnReader } from '../column-file.js';

/** Rows by session are counted, and rows of train and valid by chunk. */
export interface CountRowsTask {
  /** Chunks of a skeleton. */
  readonly files: readonly string[];
  /** By session 1 where it belongs to valid. */
  readonly isValid: Uint8Array;
  /** By session its rows; shared, and filled here. */
  readonly rows: Uint32Array;
}

/** By chunk the rows of train and of valid. @throws UserError (data) for a file that is broken */
export function countRows({ files, isValid, rows }: CountRowsTask): { readonly train: number[]; readonly valid: number[] } {
  const reader = createColumnReader();
  const counts: { train: number[]; valid: number[] } = { train: [], valid: [] };
  for (const file of files) {
    // Written as U32 by the job that parses.
    const sessions = reader.read(file, ['session']).get('session') as Uint32Array;
    let valid = 0;
    for (const session of sessions) {
      rows[session]!++;
      valid += isValid[session]!;
    }
    counts.train.push(sessions.length - valid);
    counts.valid.push(valid);
  }
  return counts;
}
