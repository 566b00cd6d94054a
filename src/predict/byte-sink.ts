import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { syncFile } from '../io/sync-file.js';
import type { WriteBytes } from './scored-rows.js';

export interface ByteSink {
  readonly write: WriteBytes;
  /** Resolves once all bytes are written. */
  end(): Promise<void>;
  destroy(): void;
}

/** Maximum bytes in flight: enough to keep the producer busy while a disk or gzip works. */
const MAX_WAITING_BYTES = 1 << 22;

/** Creates a file that is synced at its end. */
export async function fileSink(path: string, isGzip: boolean): Promise<ByteSink> {
  const file = syncedStream(await open(path, 'w'));
  if (!isGzip) return ownSink(file, finished(file));
  const gzip = createGzip();
  return ownSink(gzip, pipeline(gzip, file));
}

/** Creates a stream to an open file, which is synced and closed at its end. */
function syncedStream(file: FileHandle): Writable {
  const writeWhole = async (bytes: Uint8Array): Promise<void> => {
    for (let offset = 0; offset < bytes.byteLength;) offset += (await file.write(bytes, offset)).bytesWritten;
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

/** Wraps an external stream, which stays open. */
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

/** @param done rejects with any error downstream of `stream` */
function writeTo(stream: Writable, done: Promise<void>): WriteBytes {
  // Avoids an unhandled rejection; the awaiting caller receives the error.
  done.catch(() => undefined);
  return async (bytes) => {
    if (!stream.destroyed) stream.write(bytes);
    if (stream.destroyed || stream.writableLength > MAX_WAITING_BYTES)
      await Promise.race([once(stream, 'drain'), done]);
  };
}
