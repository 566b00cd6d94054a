import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { systemCode } from '../core/errors.js';
import { syncFile } from './sync-file.js';

/** A file that is written sequentially, bypassing the page cache if possible. */
export interface DirectFile {
  /** Appends bytes, which can be reused once the promise resolves. */
  add(bytes: Uint8Array): Promise<void>;
  /** Flushes all bytes to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Alignment of direct writes in memory and on disk: a page, which no disk block exceeds. */
const BLOCK_BYTES = 4096;
/** One write: a typical shard, so that it overlaps with encoding the next one. */
const WRITE_BYTES = 1 << 25;
const PAGE_BYTES = 1 << 16;

/** Write buffers of this thread, reused because the first touch of a page is expensive. */
const spare: Uint8Array[] = [];

/** Allocates page-aligned memory, which an array buffer is not. */
function alignedMemory(): Uint8Array {
  return new Uint8Array(
    new WebAssembly.Memory({ initial: WRITE_BYTES / PAGE_BYTES, maximum: WRITE_BYTES / PAGE_BYTES, shared: false })
      .buffer,
  );
}

/**
 * Opens a file for direct writes (open(2), O_DIRECT), which save a copy and do not evict other data from the page
 * cache. Falls back to regular writes if the system or disk does not support them.
 */
export async function openDirect(path: string): Promise<DirectFile> {
  const direct = await openPast(path);
  const plain = await open(path, direct === undefined ? 'w' : 'r+').catch(async (error: unknown) => {
    await direct?.close();
    throw error;
  });
  const memory = spare.pop() ?? alignedMemory();
  let filled = 0;
  /** Bytes written before those in memory. */
  let written = 0;

  const writeTo = async (file: FileHandle, from: number, to: number): Promise<void> => {
    for (let offset = from; offset < to;)
      offset += (await file.write(memory, offset, to - offset, written + offset)).bytesWritten;
  };
  const flush = async (): Promise<void> => {
    const whole = direct === undefined ? 0 : filled - (filled % BLOCK_BYTES);
    const past = whole === 0 ? 0 : await writePast(direct!, whole);
    await writeTo(plain, past, filled);
    written += filled;
    filled = 0;
  };
  /** Bytes that a direct write leaves over are written regularly, where the reason is reported. */
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
      for (let offset = 0; offset < bytes.byteLength;) {
        if (filled === WRITE_BYTES) await flush();
        const next = bytes.subarray(offset, offset + WRITE_BYTES - filled);
        memory.set(next, filled);
        filled += next.byteLength;
        offset += next.byteLength;
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

/** Opens for direct writes; undefined if the system or disk does not support them. */
async function openPast(path: string): Promise<FileHandle | undefined> {
  // Absent on some systems.
  if (!('O_DIRECT' in constants)) return undefined;
  try {
    return await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_DIRECT);
  } catch (error) {
    if (systemCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}
