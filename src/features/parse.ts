import { BadValue } from './feature.js';

/** Ids are kept as unsigned integers of 32 bits, and a table is indexed with signed ones. */
const LARGEST_ID = 2 ** 31 - 1;

/** A whole number from 0 to 2^31 - 1, in digits alone. */
export function parseId(text: string): number {
  let id = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) throw new BadValue('an id: a whole number in digits');
    id = id * 10 + digit;
    if (id > LARGEST_ID) throw new BadValue(`an id of at most ${LARGEST_ID}`);
  }
  if (text.length === 0) throw new BadValue('an id: a whole number in digits');
  return id;
}

/** Any text. Bytes that are no text all look alike once they are read: they would make one token of many. */
export function parseText(text: string): string {
  if (text.includes('\ufffd')) throw new BadValue('UTF-8 text');
  return text;
}

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A finite decimal number that a float of 32 bits can hold. */
export function parseNumber(text: string): number {
  if (!NUMBER.test(text)) throw new BadValue('a decimal number');
  const number = Number(text);
  if (!Number.isFinite(Math.fround(number))) throw new BadValue('a number within the range of a 32-bit float');
  return number;
}

/** A label of a classification: 0 or 1. */
export function parseClass(text: string): number {
  if (text === '0' || text === '1') return text === '1' ? 1 : 0;
  const number = NUMBER.test(text) ? Number(text) : NaN;
  if (number !== 0 && number !== 1) throw new BadValue('0 or 1');
  return number;
}
