import { stringify } from 'csv-stringify/sync';

/**
 * What a spreadsheet takes for a formula, the forms of full width included
 * (https://owasp.org/www-community/attacks/CSV_Injection).
 */
const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Rows as lines of CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay
 * numbers.
 */
export function csvText(rows: readonly (readonly (string | number)[])[]): string {
  return stringify(
    rows.map((cells) =>
      cells.map((cell) => (typeof cell === 'string' && FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell)),
    ),
  );
}
