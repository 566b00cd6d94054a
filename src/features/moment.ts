import { isDecimal } from '../text/decimal.js';
import { BadValue } from './feature.js';
import { parseNumber } from './parse.js';
import { instantReader } from './wall-clock.js';

const readIso = instantReader('iso');

/**
 * Parses a time: a number is returned as it is, in its own unit; a date or a time in ISO 8601 as seconds since 1970.
 * @throws InvalidValueError for a missing or invalid time
 */
export function parseMoment(text: string): number {
  if (text === '') throw new BadValue('a time: a number, or a date and time in ISO 8601');
  return isDecimal(text) ? parseNumber(text) : readIso(text) / 1000;
}
