import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { userError } from '../../errors.js';

/** What tells a file from what it was: not all of its bytes, but what changes when it is written. */
export interface FileFingerprint {
  readonly size: number;
  readonly mtimeNs: string;
  /** SHA-256 of head and tail. */
  readonly ends: string;
}

/** The fingerprints of the files that a source is made of, by path below it; a file that is a source itself is ''. */
export type Fingerprint = Readonly<Record<string, FileFingerprint>>;

/** Bytes that are hashed at either end. */
const END_BYTES = 1 << 16;

/** The fingerprint of one file as it is now. */
export async function fingerprintFile(path: string): Promise<FileFingerprint> {
  const file = await open(path, 'r');
  try {
    const { size, mtimeNs } = await file.stat({ bigint: true });
    const hash = createHash('sha256');
    const length = Number(size);
    for (const begin of new Set([0, Math.max(0, length - END_BYTES)])) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(END_BYTES, length)), 0, Math.min(END_BYTES, length), begin);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { size: length, mtimeNs: String(mtimeNs), ends: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/** A key of 64 hexadecimal digits for JSON values. */
export function keyOf(...values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

/**
 * Refuses what was read from a source that changed meanwhile.
 * @throws UserError (data) that names the file
 */
export function checkUnchanged(path: string, before: Fingerprint, after: Fingerprint): void {
  if (keyOf(before) === keyOf(after)) return;
  const name = Object.keys({ ...before, ...after }).find((file) => keyOf(before[file]) !== keyOf(after[file])) ?? '';
  const where = name === '' ? path : `${path}/${name}`;
  throw userError('data', { where, message: 'changed while it was read; what was read may be of two minds', fix: 'run again when nothing writes to it' });
}
