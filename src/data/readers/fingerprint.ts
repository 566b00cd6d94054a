import { createHash, randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { contentSchema, hashFile } from '../../io/byte-hash.js';
import { userError } from '../../core/errors.js';

/** Content of a source: the content of its files, by their paths below it; '' for a source that is one file. JSON. */
export const fingerprintSchema = z.record(z.string(), contentSchema);
export type Fingerprint = z.output<typeof fingerprintSchema>;

/**
 * Stats that differ if a file may have changed: no program can set `ctimeNs`, and a replaced file has another inode.
 */
export const fileStatsSchema = z.strictObject({
  bytes: z.int().min(0),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
  inode: z.string(),
});
export type FileStats = Readonly<Record<string, z.output<typeof fileStatsSchema>>>;

/** Returns whether two sources have the same bytes, whatever their paths and times. */
export function isSameContent(a: Fingerprint, b: Fingerprint): boolean {
  const [files, others] = [Object.values(a), Object.values(b)];
  // A single file may be named by its path or by that of its directory.
  return files.length === 1 && others.length === 1 ? isDeepStrictEqual(files, others) : isDeepStrictEqual(a, b);
}

/** Returns whether no file was touched. */
export function isSameStats(a: FileStats, b: FileStats): boolean {
  return changedFile(a, b) === undefined;
}

/** Returns whether the files have the same sizes: only then may they have the same content. */
export function isSameSize(a: FileStats, b: FileStats): boolean {
  const listSizes = (stats: FileStats): unknown =>
    new Map(Object.entries(stats).map(([name, { bytes }]) => [name, bytes]));
  return isDeepStrictEqual(listSizes(a), listSizes(b));
}

/** Returns the current stats of a source that is one file. */
export function readFileStats(path: string): FileStats {
  const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
  const [bytes, inode] = [Number(size), String(ino)];
  return { '': { bytes, mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), inode } };
}

const STREAM_INODE = 'stream ';

/** Returns stats for a stream, which equal no others. */
export function streamStats(): FileStats {
  return { '': { bytes: 0, mtimeNs: '', ctimeNs: '', inode: STREAM_INODE + randomUUID() } };
}

/** Returns whether the stats of a file are the stats of a stream. */
export function isStreamStats({ inode }: FileStats[string]): boolean {
  return inode.startsWith(STREAM_INODE);
}

/**
 * Hashes files.
 * @param onBytes receives the number of bytes of each read; it may throw to abort
 */
export async function hashFiles(
  path: string,
  names: readonly string[] = [''],
  onBytes?: (bytes: number) => void,
): Promise<Fingerprint> {
  const fingerprint: Fingerprint = {};
  for (const name of names) fingerprint[name] = await hashFile(join(path, name), onBytes);
  return fingerprint;
}

/** Returns a key of 64 hexadecimal digits for JSON values. */
export function makeKey(...values: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}

/**
 * Checks that a source did not change while it was read.
 * @throws UserError (data) with the file
 */
export function checkUnchanged(path: string, before: FileStats, after: FileStats): void {
  const name = changedFile(before, after);
  if (name !== undefined)
    throw userError('data', {
      where: join(path, name),
      message: 'changed while it was being read',
      fix: 'run again when no program writes to it',
    });
}

function changedFile(a: FileStats, b: FileStats): string | undefined {
  return Object.keys({ ...a, ...b }).find((name) => !isDeepStrictEqual(a[name], b[name]));
}
