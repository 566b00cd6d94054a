import { userError } from '../../core/errors.js';
import type { TextEncoding } from '../dialect.js';
import type { ByteStream } from './byte-chunks.js';

/** Decodes the bytes of a stream; keeps an incomplete character for the next call. Throws for invalid bytes. */
interface Decoder {
  decode(bytes: Uint8Array, isLast: boolean): string;
}

/**
 * Characters of windows-1252 from 0x80 to 0x9f (https://encoding.spec.whatwg.org/index-windows-1252.txt); five bytes
 * are invalid.
 */
const WINDOWS_1252 = '€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ';
const [BEGIN_OF_CONTROLS, END_OF_CONTROLS] = [0x80, 0xa0];

/**
 * Windows encodings with invalid bytes, for which a decoder returns control characters that no other byte has.
 */
const WITH_GAPS: readonly TextEncoding[] = ['windows-1250', 'windows-1251'];
const CONTROLS = /[\x80-\x9f]/g;

/** Fixes for invalid bytes. */
const CURES: Partial<Readonly<Record<TextEncoding, string>>> = {
  latin1: 'set data.encoding: windows-1252: a control character is in place of €, „ or “',
};
const OTHER_ENCODING = "set data.encoding to the file's encoding";

/**
 * Converts a stream to UTF-8. UTF-8 passes unchanged, with its byte order mark.
 * @throws UserError (data) with the line of bytes that are invalid in their encoding
 */
export async function* asUtf8(path: string, stream: ByteStream, encoding: TextEncoding): ByteStream {
  if (encoding === 'utf-8') {
    yield* stream;
    return;
  }
  const { decode } = decoderOf(encoding);
  let line = 1;
  const decoded = (bytes: Uint8Array, isLast: boolean): Buffer => {
    try {
      const text = decode(bytes, isLast);
      line += numLineFeeds(text);
      return Buffer.from(text, 'utf8');
    } catch (error) {
      const [before] = lenientText(encoding, bytes).split('\ufffd');
      const fix = CURES[encoding] ?? OTHER_ENCODING;
      throw userError(
        'data',
        {
          where: `${path}:${line + numLineFeeds(before!)}`,
          message: isLast
            ? `ends in the middle of a ${encoding} character`
            : `contains bytes that are not valid ${encoding}`,
          fix,
        },
        error,
      );
    }
  };
  for await (const bytes of stream) yield decoded(bytes, false);
  yield decoded(new Uint8Array(0), true);
}

function decoderOf(encoding: TextEncoding): Decoder {
  // Tables of our own: Node decodes these two otherwise from version to version.
  if (encoding === 'latin1' || encoding === 'windows-1252')
    return { decode: (bytes) => oneByteText(bytes, encoding === 'latin1' ? '' : WINDOWS_1252) };
  const decoder = new TextDecoder(encoding, { fatal: true });
  if (!WITH_GAPS.includes(encoding)) return { decode: (bytes, isLast) => decoder.decode(bytes, { stream: !isLast }) };
  return {
    decode: (bytes) => {
      const text = decoder.decode(bytes);
      const at = text.search(CONTROLS);
      if (at >= 0) throw new TypeError(`byte ${bytes[at]} is no character`);
      return text;
    },
  };
}

/** @param controls the characters in place of control characters; none of them, or NUL where one is none */
function oneByteText(bytes: Uint8Array, controls: string): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (!/[\x80-\x9f]/.test(text)) return text;
  return text.replace(/[\x80-\x9f]/g, (byte) => {
    const character = controls[byte.charCodeAt(0) - BEGIN_OF_CONTROLS] ?? '\0';
    if (character === '\0') throw new TypeError(`byte ${byte.charCodeAt(0)} is no character`);
    return character;
  });
}

/** The text with U+FFFD for bytes that are none. */
function lenientText(encoding: TextEncoding, bytes: Uint8Array): string {
  if (encoding !== 'latin1' && encoding !== 'windows-1252') {
    const text = new TextDecoder(encoding).decode(bytes);
    return WITH_GAPS.includes(encoding) ? text.replace(CONTROLS, '\ufffd') : text;
  }
  return Array.from(bytes, (byte) =>
    byte >= BEGIN_OF_CONTROLS &&
    byte < END_OF_CONTROLS &&
    (encoding === 'latin1' || WINDOWS_1252[byte - BEGIN_OF_CONTROLS] === '\0')
      ? '\ufffd'
      : String.fromCharCode(byte),
  ).join('');
}

function numLineFeeds(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
