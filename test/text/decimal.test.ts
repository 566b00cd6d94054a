import { describe, expect, it } from 'vitest';
import { separatorCure } from '../../src/text/decimal.js';

const DOT = 'or set data.decimal: "." if all numbers of the CSV file have a dot';
const COMMA = 'or set data.decimal: "," if all numbers of the CSV file have a comma';

describe('the fix for a number with the other decimal separator', () => {
  it.each([
    ['66.63', ',', `write 66,63, ${DOT}`],
    [' -0.5 ', ',', `write -0,5, ${DOT}`],
    ['.5', ',', `write ,5, ${DOT}`],
    ['0.500', ',', `write 0,500, ${DOT}`],
    ['1234.567', ',', `write 1234,567, ${DOT}`],
    ['12.34e2', ',', `write 12,34e2, ${DOT}`],
    ['1.500', ',', `write 1,500 for a decimal, or 1500 for thousands, ${DOT}`],
    ['1.234,5', ',', 'write 1234,5, without a separator of thousands'],
    ['1.234.567', ',', 'write 1234567, without a separator of thousands'],
    ['1,234.5', ',', `write 1234,5, without a separator of thousands, ${DOT}`],
    ['66,63', '.', `write 66.63, ${COMMA}`],
    ['1,500', '.', `write 1.500 for a decimal, or 1500 for thousands, ${COMMA}`],
    ['1,234.5', '.', 'write 1234.5, without a separator of thousands'],
    ['1.234,5', '.', `write 1234.5, without a separator of thousands, ${COMMA}`],
    ['1,234,567', '.', 'write 1234567, without a separator of thousands'],
  ] as const)('writes %j with "%s" as it is meant', (text, decimal, cure) => {
    expect(separatorCure(text, decimal)).toBe(cure);
  });

  it.each(['abc', '1.2.3', '1,2,3.4', '1.234.5', '2026.11.01', '', '.', '1.5 kg'])('guesses nothing for %j', (text) => {
    expect(separatorCure(text, ',')).toBeUndefined();
    expect(separatorCure(text, '.')).toBeUndefined();
  });
});
