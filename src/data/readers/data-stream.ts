import { constants, fstatSync, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { isatty } from 'node:tty';
import { userError } from '../../core/errors.js';
import { createByteHash, type ByteHash, type Content } from '../../io/byte-hash.js';
import { unreadable } from './unreadable.js';

// A stream delivers its bytes once, but a run reads its rows several times. The first read passes the bytes on to a
// store; later reads take them from the file of the store.

/** Path of standard input. */
export const STDIN = '-';

/** A file with the bytes of a stream. */
export interface KeptStream {
  readonly file: string;
  readonly content: Content;
}

/** Writes the bytes of a stream to a file while they are read. */
export interface StreamStore {
  write(bytes: Uint8Array): Promise<void>;
  /** Completes the file and returns its path. */
  finish(content: Content): Promise<string>;
  /** Removes the incomplete file. */
  discard(): Promise<void>;
}

/** Standard input or a named pipe. */
export class DataStream {
  readonly #input: Readable | undefined;
  readonly #iterator: AsyncIterator<Buffer> | undefined;
  /** Bytes that were received, but not read yet. */
  readonly #buffered: Buffer[] = [];
  #request: Promise<boolean> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #isConsumed = false;
  #failure: Error | undefined;
  #openStore: (() => Promise<StreamStore>) | undefined;
  #target: { readonly store: StreamStore; readonly hash: ByteHash } | undefined;
  #kept: KeptStream | undefined;

  /** @param source the stream itself, or the file that has its bytes */
  constructor(
    readonly path: string,
    source: Readable | KeptStream,
  ) {
    if ('file' in source) {
      this.#kept = source;
      return;
    }
    // Errors reach the reader through the iterator.
    this.#input = source.on('error', () => undefined);
    // The stream has no encoding, so it yields buffers.
    this.#iterator = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Returns the file with all bytes; undefined until the end of the stream, and if nothing keeps it. */
  get kept(): KeptStream | undefined {
    return this.#kept;
  }

  /** Requests that the bytes are stored when they are read; no effect once they are. */
  keep(openStore: () => Promise<StreamStore>): void {
    this.#openStore ??= openStore;
  }

  /** Yields bytes from the beginning, and leaves them in the stream. */
  async *peek(): AsyncGenerator<Buffer> {
    this.#checkUnread();
    for (let i = 0; ; i++) {
      while (i >= this.#buffered.length) if (!(await this.#receive())) return;
      yield this.#buffered[i]!;
    }
  }

  /**
   * Yields all bytes. The caller then calls `finish`, or `close` if it stops early.
   * @throws UserError (data) on the second call; (disk)
   */
  async *read(): AsyncGenerator<Buffer> {
    this.#checkUnread();
    this.#isConsumed = true;
    if (this.#openStore !== undefined) this.#target = { store: await this.#openStore(), hash: await createByteHash() };
    for (let bytes = await this.#take(); bytes !== undefined; bytes = await this.#take()) yield bytes;
  }

  /** Reads the bytes that are left, and completes the store. */
  async finish(): Promise<void> {
    while ((await this.#take()) !== undefined);
    if (this.#target === undefined) return;
    const content = this.#target.hash.content();
    this.#kept = { file: await this.#target.store.finish(content), content };
  }

  /**
   * Returns the content; stores the stream first if it was not read.
   * @param onBytes receives the number of bytes of each read; it may throw to abort
   */
  async content(onBytes?: (bytes: number) => void): Promise<Content> {
    if (this.#kept !== undefined) return this.#kept.content;
    if (this.#openStore === undefined) throw this.#consumedError();
    for await (const bytes of this.read()) onBytes?.(bytes.length);
    await this.finish();
    return this.#kept!.content;
  }

  /** Closes the stream before its end. Pending and later reads reject with the reason. */
  async close(reason?: Error): Promise<void> {
    if (this.#kept !== undefined) return;
    this.#isConsumed = true;
    this.#failure ??= reason;
    this.#input?.destroy(reason);
    await this.#target?.store.discard();
  }

  #checkUnread(): void {
    if (this.#isConsumed) throw this.#failure ?? this.#consumedError();
  }

  #consumedError(): Error {
    return userError('data', {
      where: this.path,
      message: 'is a stream that was already read',
      fix: 'save it to a file, and pass that file',
    });
  }

  /** Takes the next bytes; a call waits for earlier ones. */
  #take(): Promise<Buffer | undefined> {
    const taken = this.#turn.then(async () => {
      while (this.#buffered.length === 0) if (!(await this.#receive())) return undefined;
      const bytes = this.#buffered.shift()!;
      this.#target?.hash.update(bytes);
      await this.#target?.store.write(bytes);
      return bytes;
    });
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  /** Receives more bytes; returns false at the end. A decompressor that was abandoned may have left a request. */
  #receive(): Promise<boolean> {
    const receive = async (): Promise<boolean> => {
      try {
        const next = await this.#iterator!.next();
        if (next.done === true) return false;
        this.#buffered.push(next.value);
        this.#request = undefined;
        return true;
      } catch (error) {
        throw (this.#failure = unreadable(this.path, error) as Error);
      }
    };
    return (this.#request ??= receive());
  }
}

/** Streams of this process by path: a stream has the same bytes however often it is opened. */
const streams = new Map<string, DataStream>();

/** Returns whether a path is standard input or a named pipe. */
export function isStream(path: string): boolean {
  if (path === STDIN || streams.has(path)) return true;
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;
  } catch {
    return false;
  }
}

/** Returns the same text for all paths of a stream. */
export function streamIdentity(path: string): string {
  const { dev, ino } = path === STDIN ? fstatSync(0) : (statSync(path, { throwIfNoEntry: false }) ?? { dev: path });
  return `${dev}:${ino}`;
}

/**
 * Opens a stream without waiting for its writer.
 * @throws UserError (data) if standard input is a terminal or a device, or the pipe cannot be opened
 */
export function openStream(path: string): DataStream {
  const stream = streams.get(path) ?? new DataStream(path, path === STDIN ? openStandardInput() : openPipe(path));
  streams.set(path, stream);
  return stream;
}

/** Provides a stream that an earlier process has kept. */
export function restoreStream(path: string, kept: KeptStream): void {
  streams.set(path, new DataStream(path, kept));
}

/** Closes all streams that are not at their end; pending reads reject with the reason. */
export function closeStreams(reason: Error): void {
  for (const stream of streams.values()) void stream.close(reason).catch(() => undefined);
}

/** Returns whether standard input is a pipe, socket or file. */
export function hasStandardInput(): boolean {
  const stats = fstatSync(0);
  return !stats.isCharacterDevice() && !stats.isBlockDevice();
}

function openStandardInput(): Readable {
  if (hasStandardInput()) return process.stdin;
  throw userError('data', {
    where: STDIN,
    message: `standard input is a ${isatty(0) ? 'terminal' : 'device'}; expected a pipe or a file`,
    fix: 'pipe data to the command, or pass a file',
  });
}

function openPipe(path: string): Readable {
  try {
    // A blocking open waits for a writer, and then signals and the end of the process wait too.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: true, writable: false });
  } catch (error) {
    throw unreadable(path, error);
  }
}
