import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../core/errors.js';
import { syncFile } from './sync-file.js';

/** A file that is written from its first byte to its last, past the system's own memory where that can be. */
export interface DirectFile {
  /** Appends bytes, which may be used again once the promise is kept. */
  add(bytes: Uint8Array): Promise<void>;
  /** Has the disk take all of them for good. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * What a write past the system's memory begins at and is a multiple of, on the disk and here: a page, and no block of a
 * disk is larger.
 */
const BLOCK_BYTES = 4096;
/** One write: a usual shard, so that a thread has it written while it makes the next. */
const WRITE_BYTES = 1 << 25;
const PAGE_BYTES = 1 << 16;

/** Memory of this thread for one write each, to be used again: the first touch of a page is what costs. */
const spare: Uint8Array[] = [];

/** Memory that begins with a page, which that of an array does not. */
function alignedMemory(): Uint8Array {
  return new Uint8Array(
    new WebAssembly.Memory({ initial: WRITE_BYTES / PAGE_BYTES, maximum: WRITE_BYTES / PAGE_BYTES, shared: false })
      .buffer,
  );
}

/**
 * Opens a file to be written past the system's memory (open(2), O_DIRECT): nothing is copied there, and nothing that
 * others read has to make
 * room. Where the system or the disk knows no such writes, it is written like all others.
 */
export async function openDirect(path: string): Promise<DirectFile> {
  const direct = await openPast(path);
  const plain = await open(path, direct === undefined ? 'w' : 'r+').catch(async (error: unknown) => {
    await direct?.close();
    throw error;
  });
  const memory = spare.pop() ?? alignedMemory();
  let filled = 0;
  /** Bytes that were written before those in memory. */
  let written = 0;

  const writeTo = async (file: FileHandle, from: number, to: number): Promise<void> => {
    for (let at = from; at < to;) at += (await file.write(memory, at, to - at, written + at)).bytesWritten;
  };
  const flush = async (): Promise<void> => {
    const whole = direct === undefined ? 0 : filled - (filled % BLOCK_BYTES);
    const past = whole === 0 ? 0 : await writePast(direct!, whole);
    await writeTo(plain, past, filled);
    written += filled;
    filled = 0;
  };
  /** What a disk leaves over is written like all others: there it is said why. */
  const writePast = async (file: FileHandle, length: number): Promise<number> => {
    try {
      const { bytesWritten } = await file.write(memory, 0, length, written);
      return bytesWritten;
    } catch (error) {
      if (systemCode(error) === 'EINVAL') return 0;
      throw error;
    }
  };
  return {
    async add(bytes) {
      for (let at = 0; at < bytes.byteLength;) {
        if (filled === WRITE_BYTES) await flush();
        const next = bytes.subarray(at, at + WRITE_BYTES - filled);
        memory.set(next, filled);
        filled += next.byteLength;
        at += next.byteLength;
      }
    },
    async sync() {
      await flush();
      await syncFile(plain);
    },
    async close() {
      spare.push(memory);
      try {
        await direct?.close();
      } finally {
        await plain.close();
      }
    },
  };
}

/** Undefined where the system knows no such writes, or not there. */
async function openPast(path: string): Promise<FileHandle | undefined> {
  // Not there on every system.
  if (!('O_DIRECT' in constants)) return undefined;
  try {
    return await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_DIRECT);
  } catch (error) {
    if (systemCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}
