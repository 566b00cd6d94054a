import { createColumnReader } from '../column-file.js';
import { isOfValid, type ValidRows } from '../valid-rows.js';

/** Rows by session are counted, and rows of train and valid by chunk. */
export interface CountRowsTask {
  /** Chunks of a skeleton. */
  readonly files: readonly string[];
  readonly valid: ValidRows;
  /** By session its rows, and those that are not of valid; shared, and filled here. */
  readonly rows: Uint32Array;
  readonly trainRows: Uint32Array;
}

/** By chunk the rows of train and of valid. @throws UserError (data) for a file that is broken */
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
