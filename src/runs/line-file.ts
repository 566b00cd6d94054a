import { openSync, writeSync } from 'node:fs';
import { onDiskSync } from '../io/disk.js';
import { systemCode, userError } from '../core/errors.js';

/** Error codes of a file that temporarily accepts no bytes, as on a network disk. */
const BUSY: readonly (string | undefined)[] = ['EAGAIN', 'EBUSY'];
/** Maximum number of attempts on a busy file; the pauses between them grow from 10 ms to 0.64 s, 1.3 s in total. */
const MAX_TRIES = 8;
const FIRST_PAUSE_MS = 10;

/** A file to append lines to; each line is written completely when `write` returns. */
export interface LineFile {
  /** @throws UserError (disk) with the path; if the file stays busy, after `MAX_TRIES` attempts */
  write(line: string): void;
}

/**
 * Opens a file to append lines to.
 * @throws UserError (disk) with the path
 */
export function openLineFile(path: string): LineFile {
  const file = onDiskSync(path, () => openSync(path, 'a'));
  return {
    write: (line) =>
      onDiskSync(path, () => {
        const bytes = Buffer.from(line);
        for (let offset = 0; offset < bytes.length;) offset += writePatiently(file, path, bytes.subarray(offset));
      }),
  };
}

function writePatiently(file: number, path: string, bytes: Uint8Array): number {
  for (let tries = 1; ; tries++) {
    try {
      return writeSync(file, bytes);
    } catch (error) {
      const code = systemCode(error);
      if (!BUSY.includes(code)) throw error;
      const message = `cannot write the file: it was busy at all ${tries} attempts (${code})`;
      if (tries === MAX_TRIES)
        throw userError(
          'disk',
          { where: path, message, fix: 'choose another directory or check its file system' },
          error,
        );
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FIRST_PAUSE_MS * 2 ** (tries - 1));
    }
  }
}
