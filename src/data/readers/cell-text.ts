import { isUtf8 } from 'node:buffer';
import { NOT_TEXT } from '../../features/parse.js';

/** Decodes UTF-8. NOT_TEXT marks invalid bytes, since the text may contain U+FFFD itself. */
export function cellText(bytes: Buffer, begin = 0, end = bytes.length): string {
  const text = bytes.toString('utf8', begin, end);
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(begin, end)) ? text.replaceAll('\ufffd', NOT_TEXT) : text;
}

/** Returns the values of a plain line without its line end. */
export function cellTexts(line: Buffer, delimiter: string): string[] {
  if (isUtf8(line)) return line.toString('utf8').split(delimiter);
  return line.toString('latin1').split(delimiter).map(latin1CellText);
}

/** Decodes a value whose bytes were decoded as latin1. */
export function latin1CellText(cell: string): string {
  return cellText(Buffer.from(cell, 'latin1'));
}
