import { userError } from '../../core/errors.js';
import type { TextEncoding } from '../dialect.js';
import type { ByteStream } from './byte-chunks.js';

/** Stands for invalid bytes. */
const INVALID = '\ufffd';
const CONTROLS = /[\x80-\x9f]/g;
const BEGIN_OF_CONTROLS = 0x80;
/** Characters of windows-1252 from 0x80 to 0x9f (https://encoding.spec.whatwg.org/index-windows-1252.txt). */
const WINDOWS_1252 = '€\ufffd‚ƒ„…†‡ˆ‰Š‹Œ\ufffdŽ\ufffd\ufffd‘’“”•–—˜™š›œ\ufffdžŸ';

/** Encodings of one byte per character, with a function that decodes bytes; Node decodes some otherwise by version. */
const ONE_BYTE: Partial<Readonly<Record<TextEncoding, (bytes: Uint8Array) => string>>> = {
  latin1: (bytes) => latin1Text(bytes).replace(CONTROLS, INVALID),
  'windows-1252': (bytes) =>
    latin1Text(bytes).replace(CONTROLS, (byte) => WINDOWS_1252[byte.charCodeAt(0) - BEGIN_OF_CONTROLS]!),
  // A decoder returns control characters, which no other byte has, for invalid bytes.
  'windows-1250': (bytes) => new TextDecoder('windows-1250').decode(bytes).replace(CONTROLS, INVALID),
  'windows-1251': (bytes) => new TextDecoder('windows-1251').decode(bytes).replace(CONTROLS, INVALID),
};

/** Fixes for invalid bytes. */
const LATIN1_FIX = 'set data.encoding: windows-1252: a control character is in place of €, „ or “';
const OTHER_FIX = "set data.encoding to the file's encoding";

/**
 * Converts a stream to UTF-8. UTF-8 passes unchanged, with its byte order mark.
 * @throws UserError (data) with the line of bytes that are invalid in their encoding
 */
export async function* asUtf8(path: string, stream: ByteStream, encoding: TextEncoding): ByteStream {
  if (encoding === 'utf-8') {
    yield* stream;
    return;
  }
  const decode = createDecoder(encoding);
  let line = 1;
  const decoded = (bytes: Uint8Array, isLast: boolean): Buffer => {
    try {
      const text = decode(bytes, isLast);
      line += numLineFeeds(text);
      return Buffer.from(text, 'utf8');
    } catch (error) {
      const lenient = ONE_BYTE[encoding] ?? ((all) => new TextDecoder(encoding).decode(all));
      const [before] = lenient(bytes).split(INVALID);
      const where = `${path}:${line + numLineFeeds(before!)}`;
      const message = isLast
        ? `ends in the middle of a ${encoding} character`
        : `contains bytes that are not valid ${encoding}`;
      const fix = encoding === 'latin1' ? LATIN1_FIX : OTHER_FIX;
      throw userError('data', { where, message, fix }, error);
    }
  };
  for await (const bytes of stream) yield decoded(bytes, false);
  yield decoded(new Uint8Array(0), true);
}

/** Creates a function that keeps an incomplete character for the next call, and throws for invalid bytes. */
function createDecoder(encoding: TextEncoding): (bytes: Uint8Array, isLast: boolean) => string {
  const oneByte = ONE_BYTE[encoding];
  if (oneByte === undefined) {
    const decoder = new TextDecoder(encoding, { fatal: true });
    return (bytes, isLast) => decoder.decode(bytes, { stream: !isLast });
  }
  return (bytes) => {
    const text = oneByte(bytes);
    if (text.includes(INVALID)) throw new TypeError('a byte is no character');
    return text;
  };
}

function latin1Text({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('latin1');
}

function numLineFeeds(text: string): number {
  return text.split('\n').length - 1;
}
