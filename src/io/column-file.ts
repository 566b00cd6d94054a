import { closeSync, existsSync, openSync, rmSync, writevSync } from 'node:fs';
import { systemCode, UserError, userError } from '../core/errors.js';
import { renameBusySync } from './busy.js';
import { onDiskSync } from './disk.js';
import { readAt } from './read-sync.js';
import {
  readHeaderSync,
  safetensorsParts,
  tensorArray,
  type TensorData,
  type TensorHeader,
  type TensorPlace,
} from './safetensors.js';
import { temporaryPath } from './temporary.js';

// Intermediate columns between two phases: tensors, with metadata as JSON. Not synced, since they can be recreated. All
// functions are synchronous, so that a thread can use the same memory for all of its jobs.

export type Columns = ReadonlyMap<string, TensorData>;

/**
 * Writes columns and their metadata atomically.
 * @throws UserError (disk)
 */
export function writeColumns(path: string, columns: Iterable<readonly [string, TensorData]>, about: object): void {
  const tensors = new Map([...columns].map(([name, data]) => [name, { shape: [data.length], data }]));
  const parts = [...safetensorsParts(tensors, { about: JSON.stringify(about) })].filter(({ length }) => length > 0);
  const temporary = temporaryPath(path);
  onDiskSync(path, () => {
    try {
      writeParts(temporary, parts);
      renameBusySync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
}

function writeParts(path: string, parts: Uint8Array[]): void {
  const file = openSync(path, 'w');
  try {
    while (parts.length > 0) {
      let written = writevSync(file, parts);
      while (parts.length > 0 && written >= parts[0]!.length) written -= parts.shift()!.length;
      if (parts.length > 0) parts[0] = parts[0]!.subarray(written);
    }
  } finally {
    closeSync(file);
  }
}

/** Reads column files, each into the same memory. */
export interface ColumnReader {
  /**
   * Reads the named columns, or all; skips absent ones.
   * @throws UserError (data) for a file that is missing or broken
   */
  read(path: string, names?: readonly string[]): Columns;
}

/** Creates a column reader, whose results are valid until its next read. */
export function createColumnReader(): ColumnReader {
  let memory = new ArrayBuffer(0);
  const alignedBytes = (bytes: number): number => 8 * Math.ceil(bytes / 8);
  return {
    read: (path, names) =>
      withFile(path, (file, { places }) => {
        const meant = [...places].filter(([name]) => names?.includes(name) ?? true);
        const total = meant.reduce((sum, [, { bytes }]) => sum + alignedBytes(bytes), 0);
        if (memory.byteLength < total) memory = new ArrayBuffer(Math.ceil(1.25 * total));
        let offset = 0;
        return new Map(
          meant.map(([name, { dtype, shape, position, bytes }]) => {
            readBytes(file, path, new Uint8Array(memory, offset, bytes), position);
            offset += alignedBytes(bytes);
            return [name, tensorArray(dtype, memory, offset - alignedBytes(bytes), shape[0]!)] as const;
          }),
        );
      }),
  };
}

/** Reads the metadata from `writeColumns`, whose type the caller knows. @throws UserError (data) */
export function readAbout(path: string): unknown {
  return withFile(path, (_, { metadata }) => JSON.parse(metadata['about']!) as unknown);
}

/** Returns whether a column file exists and is complete. */
export function isWhole(path: string): boolean {
  try {
    return existsSync(path) && withFile(path, () => true);
  } catch (error) {
    // Other problems are reported by the read.
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** Returns the location of a column in its file. @throws UserError (data) */
export function findColumn(path: string, name: string): TensorPlace {
  return withFile(path, (_, { places }) => places.get(name)!);
}

/** Opens a file for reading. @throws UserError (data) */
export function openToRead(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw userError('data', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
  }
}

/** Fills `target` from an open file. @throws UserError (data) if the file ends early */
export function readBytes(file: number, path: string, target: Uint8Array, position: number): void {
  if (readAt(file, target, position) < target.length) throw broken(path, 'it ends early');
}

function withFile<Result>(path: string, use: (file: number, header: TensorHeader) => Result): Result {
  const file = openToRead(path);
  try {
    const header = readHeaderSync(file, (message) => {
      throw broken(path, message);
    });
    return use(file, header);
  } finally {
    closeSync(file);
  }
}

function broken(where: string, reason: string): Error {
  return userError('data', {
    where,
    message: `is broken: ${reason}`,
    fix: 'remove this file, and run the command again',
  });
}
