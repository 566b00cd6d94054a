import { BadValue } from '../../features/feature.js';
import type { DialectOptions } from '../dialect.js';
import type { ColumnReader } from '../rows/column-reader.js';

/** A dot would be read as what separates thousands by some, as the decimal point by others. */
const NO_DOT = new BadValue('a number with a comma before its decimals, as data.decimal says, and no dot', 'write it without a dot');

/** Readers of numbers that have a comma before their decimals, where a dialect says so. They read text; texts stay as they are. */
export function withDecimal(readers: readonly ColumnReader[], dialect: DialectOptions | undefined): readonly ColumnReader[] {
  if (dialect?.decimal !== ',') return readers;
  return readers.map((reader) => {
    if (reader.direct?.cell !== 'number' && reader.direct?.cell !== 'class') return reader;
    return {
      columns: reader.columns,
      read: (text) => {
        if (text.includes('.')) throw NO_DOT;
        reader.read(text.replace(',', '.'));
      },
    };
  });
}
