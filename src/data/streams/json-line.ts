const LF = 10;
const SPACE = 32;

/** An empty JSON string, which no reader of rows accepts: it reports the record, where it would ignore a blank line. */
const EMPTY = Buffer.from('""');

/**
 * Returns a message as one line of JSON Lines, without its line feed. In valid JSON, line feeds occur between tokens
 * only; spaces replace them.
 */
export function jsonLine(message: Uint8Array): Uint8Array {
  if (message.length === 0) return EMPTY;
  if (!message.includes(LF)) return message;
  return Uint8Array.from(message, (byte) => (byte === LF ? SPACE : byte));
}

/** Joins lines, each with a line feed at its end. */
export function joinLines(lines: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.allocUnsafe(lines.reduce((sum, line) => sum + line.length + 1, 0));
  let offset = 0;
  for (const line of lines) {
    bytes.set(line, offset);
    offset += line.length + 1;
    bytes[offset - 1] = LF;
  }
  return bytes;
}
