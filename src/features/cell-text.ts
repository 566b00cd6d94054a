import { isUtf8 } from 'node:buffer';
import { NOT_TEXT } from './parse.js';

/** Decodes UTF-8. NOT_TEXT marks invalid bytes, since the text may contain U+FFFD itself. */
export function cellText(bytes: Buffer, begin = 0, end = bytes.length): string {
  const text = bytes.toString('utf8', begin, end);
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(begin, end)) ? text.replaceAll('\ufffd', NOT_TEXT) : text;
}
