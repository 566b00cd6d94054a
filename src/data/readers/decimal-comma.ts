import type { Column } from '../../chunks/column.js';
import { separatorCure } from '../../text/decimal.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import type { DialectOptions } from '../dialect.js';

/** A dot separates thousands for some, and decimals for others. */
const NO_DOT = 'a number with a decimal comma and no dot, as set in data.decimal';
/** Either sign; blanks around may be trimmed later. A null value, such as `n.a.` or a lone dot, is not a number. */
const NUMBER = /^\s*[+-]?[.,]*\d[\d.,]*(?:[eE][+-]?\d+)?\s*$/;

/** Returns the number texts of a column with decimal commas; nothing for decimal points. */
export function decimalCommaTexts(
  decimal: DialectOptions['decimal'],
  text: (row: number) => string,
): Pick<Column, 'numberText'> {
  return decimal === ',' ? { numberText: (row) => withPoint(text(row)) } : {};
}

/**
 * Replaces the decimal comma of a number by a point.
 * @throws InvalidValueError for a number with a dot
 */
export function withPoint(text: string): string {
  if (!NUMBER.test(text)) return text;
  if (text.includes('.')) throw new InvalidValueError(NO_DOT, separatorCure(text, ','));
  return text.replace(',', '.');
}
