import { stringify } from 'csv-stringify/sync';

/**
 * Values that a spreadsheet interprets as a formula, including full-width forms
 * (https://owasp.org/www-community/attacks/CSV_Injection).
 */
const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Formats rows as CSV. Prefixes strings that a spreadsheet would interpret as a formula with an apostrophe, but not
 * numbers.
 */
export function csvText(rows: readonly (readonly (string | number)[])[]): string {
  return stringify(
    rows.map((cells) =>
      cells.map((cell) => (typeof cell === 'string' && FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell)),
    ),
  );
}
