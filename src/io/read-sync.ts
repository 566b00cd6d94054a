import { closeSync, openSync, readSync } from 'node:fs';

/** Opens a file for the time of a call, which receives its descriptor. */
export function withFile<Result>(path: string, read: (file: number) => Result): Result {
  const file = openSync(path, 'r');
  try {
    return read(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Fills `target` from a position of an open file, or as much of it as the file has.
 * @returns the number of bytes read
 */
export function readAt(file: number, target: Uint8Array, position: number): number {
  let length = 0;
  for (let count = 1; count > 0 && length < target.length; length += count)
    count = readSync(file, target, length, target.length - length, position + length);
  return length;
}
