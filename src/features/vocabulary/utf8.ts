import { findKey, type KeyTable } from '../../core/key-table.js';

/** Encodes strings as UTF-8, one at a time. */
interface Utf8Writer {
  /** The last string, from offset 0. */
  readonly bytes: Uint8Array;
  /**
   * Encodes a string; a lone surrogate becomes three bytes that valid UTF-8 never contains.
   * @returns the number of bytes
   */
  write(text: string): number;
}

/** Creates a writer with its own buffer. For short strings, a loop is faster than a call of the system's encoder. */
export function createUtf8Writer(): Utf8Writer {
  let bytes = new Uint8Array(256);
  return {
    get bytes() {
      return bytes;
    },
    write(text) {
      if (bytes.length < 3 * text.length) bytes = new Uint8Array(6 * text.length);
      let length = 0;
      for (let i = 0; i < text.length; i++) {
        let code = text.charCodeAt(i);
        if (code < 0x80) {
          bytes[length++] = code;
          continue;
        }
        if (code >= 0xd800 && code < 0xdc00) {
          const low = text.charCodeAt(i + 1);
          if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            i++;
          }
        }
        if (code < 0x800) {
          bytes[length++] = 0xc0 | (code >> 6);
        } else {
          if (code < 0x10000) {
            bytes[length++] = 0xe0 | (code >> 12);
          } else {
            bytes[length++] = 0xf0 | (code >> 18);
            bytes[length++] = 0x80 | ((code >> 12) & 63);
          }
          bytes[length++] = 0x80 | ((code >> 6) & 63);
        }
        bytes[length++] = 0x80 | (code & 63);
      }
      return length;
    },
  };
}

/**
 * Creates a function that returns the id of a string in a table; 0 if there is none.
 * @param table may change between calls
 */
export function createTextFinder(table: KeyTable): (text: string) => number {
  const utf8 = createUtf8Writer();
  return (text) => {
    const length = utf8.write(text);
    return findKey(table, utf8.bytes, 0, length);
  };
}
