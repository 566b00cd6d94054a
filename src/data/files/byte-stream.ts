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
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
  } finally {
    await rest.return?.();
  }
}
