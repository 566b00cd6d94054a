import { createColumnReader } from '../column-file.js';
import { isOfValid, type ValidRows } from '../valid-rows.js';

/** Counts rows by session, and training and validation rows by chunk. */
export interface CountRowsTask {
  /** Chunks of a skeleton. */
  readonly files: readonly string[];
  readonly valid: ValidRows;
  /** Rows per session, in total and for training; shared memory that this job fills. */
  readonly rows: Uint32Array;
  readonly trainRows: Uint32Array;
}

/** Returns the training and validation rows per chunk. @throws UserError (data) for a broken file */
export function countRows({ files, valid, rows, trainRows }: CountRowsTask): {
  readonly train: number[];
  readonly valid: number[];
} {
  const reader = createColumnReader();
  const counts: { train: number[]; valid: number[] } = { train: [], valid: [] };
  let first = 0;
  for (const file of files) {
    // Written as U32 by the job that parses.
    const sessions = reader.read(file, ['session']).get('session') as Uint32Array;
    let numValid = 0;
    for (let row = 0; row < sessions.length; row++) {
      const session = sessions[row]!;
      rows[session]!++;
      if (isOfValid(valid, session, first + row)) numValid++;
      else trainRows[session]!++;
    }
    counts.train.push(sessions.length - numValid);
    counts.valid.push(numValid);
    first += sessions.length;
  }
  return counts;
}
