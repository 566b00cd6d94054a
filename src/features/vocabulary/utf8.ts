/** Texts on their way to bytes, one at a time. */
export interface Utf8Writer {
  /** Where the last text lies, from 0 on. */
  readonly bytes: Uint8Array;
  /**
   * Writes the UTF-8 bytes of a text; half a surrogate pair, which is no text, becomes three bytes that no text has.
   * @returns how many
   */
  write(text: string): number;
}

/**
 * A writer with memory of its own. Texts are mostly short: a loop over them is faster than a call of the system's
 * encoder.
 */
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
