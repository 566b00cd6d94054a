import { isUtf8 } from 'node:buffer';
import { cellText } from '../../features/cell-text.js';

/** Returns the values of a plain line without its line end. */
export function cellTexts(line: Buffer, delimiter: string): string[] {
  if (isUtf8(line)) return line.toString('utf8').split(delimiter);
  return line.toString('latin1').split(delimiter).map(latin1CellText);
}

/** Decodes a value whose bytes were decoded as latin1. */
export function latin1CellText(cell: string): string {
  return cellText(Buffer.from(cell, 'latin1'));
}
