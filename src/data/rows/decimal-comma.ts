import { BadValue, CELL_SEPARATOR } from '../../features/feature.js';
import type { DialectOptions } from '../dialect.js';
import type { ColumnReader } from './column-reader.js';

/** A dot would be read as what separates thousands by some, as the decimal point by others. */
const NO_DOT = new BadValue('a number with a decimal comma and no dot, as set in data.decimal', 'remove the dot');
/**
 * With either sign, as people write it; blanks around may be trimmed later. A word for nothing, as `n.a.` or a lone
 * dot, is no number.
 */
const NUMBER = /^\s*[+-]?[.,]*\d[\d.,]*(?:[eE][+-]?\d+)?\s*$/;

/**
 * Readers of numbers that have a comma before their decimals, where a dialect says so. They read text; texts stay as
 * they are.
 */
export function withDecimal(
  readers: readonly ColumnReader[],
  decimal: DialectOptions['decimal'],
): readonly ColumnReader[] {
  if (decimal !== ',') return readers;
  return readers.map((reader) => {
    const { columns, direct, numberColumns = [] } = reader;
    if (direct?.cell === 'number' || direct?.cell === 'class')
      return { columns, read: (text) => reader.read(withDot(text)) };
    if (numberColumns.length === 0) return reader;
    const areNumbers = columns.map((name) => numberColumns.includes(name));
    const cell = (text: string, c: number): string => (areNumbers[c] === true ? withDot(text) : text);
    return {
      ...reader,
      read: (text) =>
        reader.read(columns.length === 1 ? cell(text, 0) : text.split(CELL_SEPARATOR).map(cell).join(CELL_SEPARATOR)),
    };
  });
}

/** @throws BadValue */
function withDot(text: string): string {
  if (!NUMBER.test(text)) return text;
  if (text.includes('.')) throw NO_DOT;
  return text.replace(',', '.');
}
