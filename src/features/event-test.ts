import type { Column } from '../chunks/column.js';
import { isDecimal } from '../text/decimal.js';
import { InvalidValueError } from '../text/invalid-value.js';

/**
 * Creates a function that returns whether a row is an event: it has 1 in a column. Any other value is no event, since
 * labels may be missing.
 */
export function eventTest(column: Column, clean = (text: string): string => text): (row: number) => boolean {
  const text = (row: number): string => column.numberText?.(row, false) ?? column.text(row);
  return (row) => {
    try {
      const own = clean(text(row));
      return own === '1' || (isDecimal(own) && Number(own) === 1);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      return false;
    }
  };
}
