/** Bytes as they come. */
export type ByteStream = AsyncIterable<Buffer>;

/**
 * Looks at the beginning of a stream.
 * @returns at least `count` bytes, where there are so many; and the stream from its first byte on
 */
export async function peeked(stream: AsyncIterable<Uint8Array>, count: number): Promise<readonly [Buffer, ByteStream]> {
  const bytes = stream[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  while (start.length < count) {
    const next = await bytes.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  return [start, joinedStream([start], bytes)];
}

/** Some bytes, and what is left of a stream. */
export async function* joinedStream(first: readonly Buffer[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  try {
    yield* first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
  } finally {
    await rest.return?.();
  }
}

/** Takes a stream apart. */
export interface ByteReader {
  /** Bytes that were taken. */
  readonly at: number;
  /** The message of the RangeError for a stream that ends too early. */
  readonly endsEarly: string;
  /**
   * The next bytes, in memory of their own.
   * @param last `end` where the stream may be at its end, which is no bytes
   * @throws RangeError where there are fewer
   */
  take(count: number, last?: 'end'): Promise<Buffer>;
  /** Lets go of the rest. */
  close(): Promise<void>;
}

/** A reader of a stream. */
export function byteReader(stream: ByteStream): ByteReader {
  const bytes = stream[Symbol.asyncIterator]();
  const endsEarly = 'the stream ends too early';
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  return {
    endsEarly,
    get at() {
      return at;
    },
    async take(count, last) {
      const parts: Buffer[] = [];
      let length = 0;
      while (length < count) {
        if (rest.length === 0) {
          const next = await bytes.next();
          if (next.done === true) {
            if (length === 0 && last === 'end') return Buffer.alloc(0);
            throw new RangeError(endsEarly);
          }
          rest = next.value;
          continue;
        }
        const part = rest.subarray(0, count - length);
        rest = rest.subarray(part.length);
        parts.push(part);
        length += part.length;
        at += part.length;
      }
      return Buffer.concat(parts);
    },
    async close() {
      await bytes.return?.();
    },
  };
}
