import { isUtf8 } from 'node:buffer';
import { NOT_TEXT } from '../../features/parse.js';

/**
 * The text of bytes of UTF-8. Where they are none, NOT_TEXT stands for what is no character: U+FFFD may be one that was
 * written.
 */
export function cellText(bytes: Buffer, begin = 0, end = bytes.length): string {
  const text = bytes.toString('utf8', begin, end);
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(begin, end)) ? text.replaceAll('\ufffd', NOT_TEXT) : text;
}

/** The cells of a plain line, without its end. */
export function cellTexts(line: Buffer, delimiter: string): string[] {
  if (isUtf8(line)) return line.toString('utf8').split(delimiter);
  return line.toString('latin1').split(delimiter).map(latin1CellText);
}

/** The text of a cell whose bytes were taken for characters. */
export function latin1CellText(cell: string): string {
  return cellText(Buffer.from(cell, 'latin1'));
}
