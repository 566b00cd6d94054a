import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync, writevSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { onDisk, onDiskSync } from '../io/disk.js';
import { systemCode, UserError, userError } from '../core/errors.js';
import { temporaryPath } from '../io/temporary.js';

// Intermediate columns between two phases: 8 bytes of header length, a JSON header with the layout, then the arrays,
// each 8-byte aligned for access in place. Not synced, since they can be recreated; truncation is detected by size.

const ARRAYS = { F32: Float32Array, F64: Float64Array, U32: Uint32Array, U8: Uint8Array } as const;
type ArrayName = keyof typeof ARRAYS;

export type ColumnData = Float32Array | Float64Array | Uint32Array | Uint8Array;
export type Columns = ReadonlyMap<string, ColumnData>;

interface Place {
  readonly name: string;
  readonly type: ArrayName;
  readonly length: number;
  /** Byte offset after the header. */
  readonly begin: number;
}

interface Header {
  readonly places: readonly Place[];
  /** Bytes of all arrays. */
  readonly bytes: number;
  readonly about: unknown;
}

/**
 * Writes columns and their JSON metadata atomically; their memory is free once this returns a promise. @throws
 * UserError (disk)
 */
export async function writeColumns(path: string, columns: Columns, about: object): Promise<void> {
  const places: Place[] = [];
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for (const [name, data] of columns) {
    const type = (Object.keys(ARRAYS) as ArrayName[]).find((key) => data instanceof ARRAYS[key])!;
    places.push({ name, type, length: data.length, begin: bytes });
    const gap = (8 - (data.byteLength % 8)) % 8;
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), new Uint8Array(gap));
    bytes += data.byteLength + gap;
  }
  const json = Buffer.from(JSON.stringify({ places, bytes, about } satisfies Header));
  const header = Buffer.alloc(8 + json.length + ((8 - (json.length % 8)) % 8), ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  const temporary = temporaryPath(path);
  // Before the first await, since the caller reuses the memory.
  onDiskSync(path, () => writeParts(temporary, [header, ...parts]));
  await onDisk(path, () => rename(temporary, path));
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
  return {
    read(path, names) {
      return withFile(path, (file) => {
        const { header, start } = readHeader(file, path);
        const places = names === undefined ? header.places : header.places.filter(({ name }) => names.includes(name));
        const alignedSize = ({ type, length }: Place): number =>
          8 * Math.ceil((length * ARRAYS[type].BYTES_PER_ELEMENT) / 8);
        const total = places.reduce((sum, place) => sum + alignedSize(place), 0);
        if (memory.byteLength < total) memory = new ArrayBuffer(Math.ceil(1.25 * total));
        const columns = new Map<string, ColumnData>();
        let address = 0;
        for (const place of places) {
          readBytes(file, path, new Uint8Array(memory, address, alignedSize(place)), start + place.begin);
          columns.set(place.name, new ARRAYS[place.type](memory, address, place.length));
          address += alignedSize(place);
        }
        return columns;
      });
    },
  };
}

/** Reads the metadata from `writeColumns`, whose type the caller knows. @throws UserError (data) */
export function readAbout(path: string): unknown {
  return withFile(path, (file) => readHeader(file, path).header.about);
}

/** Returns whether a column file exists and is complete. */
export function isWhole(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    withFile(path, (file) => readHeader(file, path));
    return true;
  } catch (error) {
    // Truncated; other problems are reported by the read.
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** Returns the byte offset of a column in its file. @throws UserError (data) */
export function findPosition(path: string, name: string): number {
  return withFile(path, (file) => {
    const { header, start } = readHeader(file, path);
    return start + header.places.find((place) => place.name === name)!.begin;
  });
}

function readHeader(file: number, path: string): { header: Header; start: number } {
  const { size } = fstatSync(file);
  const length = Buffer.alloc(8);
  if (size >= 8) readBytes(file, path, length, 0);
  const headerBytes = Number(length.readBigUInt64LE());
  if (headerBytes === 0 || headerBytes > size - 8) throw broken(path);
  const json = Buffer.alloc(headerBytes);
  readBytes(file, path, json, 8);
  let header: Header;
  try {
    // Written by `writeColumns`.
    header = JSON.parse(json.toString()) as Header;
  } catch {
    throw broken(path);
  }
  if (8 + headerBytes + header.bytes !== size) throw broken(path);
  return { header, start: 8 + headerBytes };
}

/** Fills `into` from an open file. @throws UserError (data) if the file ends early */
export function readBytes(file: number, path: string, target: Uint8Array, position: number): void {
  for (let done = 0; done < target.length;) {
    const count = readSync(file, target, done, target.length - done, position + done);
    if (count === 0) throw broken(path);
    done += count;
  }
}

/** Writes a file synchronously; removes it on failure. */
function writeParts(path: string, parts: readonly Uint8Array[]): void {
  const file = openSync(path, 'w');
  try {
    for (let left = parts.filter((part) => part.length > 0); left.length > 0;) {
      let written = writevSync(file, left);
      while (left.length > 0 && written >= left[0]!.length) written -= left.shift()!.length;
      if (left.length > 0) left[0] = left[0]!.subarray(written);
    }
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Opens a file for reading. @throws UserError (data) */
export function openToRead(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw userError('data', { where: path, message: `cannot be read (${systemCode(error) ?? String(error)})` }, error);
  }
}

function withFile<Result>(path: string, use: (file: number) => Result): Result {
  const file = openToRead(path);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

function broken(path: string): Error {
  return userError('data', {
    where: path,
    message: 'is truncated',
    fix: 'remove this file, and run the command again',
  });
}
