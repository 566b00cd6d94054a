import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { syncFile } from '../io/sync-file.js';
import type { WriteBytes } from './scored-rows.js';

/** Bytes on their way out. */
export interface ByteSink {
  readonly write: WriteBytes;
  /** Keeps its promise when all bytes are where they should be. */
  end(): Promise<void>;
  /** Gives up. */
  destroy(): void;
}

/** Bytes that may wait: enough that whoever makes them goes on while a disk or gzip works. */
const MAX_WAITING_BYTES = 1 << 22;

/** A new file, synced at its end. */
export async function fileSink(path: string, isGzip: boolean): Promise<ByteSink> {
  const file = syncedStream(await open(path, 'w'));
  if (!isGzip) return ownSink(file, finished(file));
  const gzip = createGzip();
  return ownSink(gzip, pipeline(gzip, file));
}

/** A stream into an open file, which is synced at its end and closed. */
function syncedStream(file: FileHandle): Writable {
  const writeWhole = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.byteLength;) at += (await file.write(bytes, at)).bytesWritten;
  };
  const settle = (work: Promise<void>, done: (error?: Error | null) => void): void =>
    void work.then(() => done(), done);
  return new Writable({
    write: (bytes: Uint8Array, _, done) => settle(writeWhole(bytes), done),
    writev: (chunks, done) => settle(writeWhole(Buffer.concat(chunks.map(({ chunk }) => chunk as Uint8Array))), done),
    final: (done) => settle(syncFile(file), done),
    destroy: (error, done) => settle(file.close(), (failure) => done(error ?? failure ?? null)),
  });
}

/** A stream of somebody else's, which is left open. */
export function streamSink(stream: Writable): ByteSink {
  const write = writeTo(stream, finished(stream));
  return {
    write,
    end: () =>
      new Promise((resolve, reject) => void stream.write('', (error) => (error == null ? resolve() : reject(error)))),
    destroy: () => undefined,
  };
}

function ownSink(first: Writable, done: Promise<void>): ByteSink {
  return {
    write: writeTo(first, done),
    end: () => {
      first.end();
      return done;
    },
    destroy: () => void first.destroy(),
  };
}

/** @param done fails with whatever goes wrong behind the stream */
function writeTo(stream: Writable, done: Promise<void>): WriteBytes {
  // What fails is thrown where it is awaited.
  done.catch(() => undefined);
  return async (bytes) => {
    if (!stream.destroyed) stream.write(bytes);
    if (stream.destroyed || stream.writableLength > MAX_WAITING_BYTES)
      await Promise.race([once(stream, 'drain'), done]);
  };
}
