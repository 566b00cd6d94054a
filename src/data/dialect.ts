import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/tasks.js';

/**
 * Encodings by name. What is none of UTF is decoded by the tables of the WHATWG Encoding Standard, but for latin1,
 * which is ISO 8859-1.
 * Node knows more, but some by other tables: characters of Big5, Shift JIS and EUC become others.
 */
export const ENCODINGS = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'latin1',
  'windows-1252',
  'windows-1250',
  'windows-1251',
  'iso-8859-2',
  'iso-8859-15',
  'koi8-r',
  'gbk',
  'gb18030',
] as const;
export type TextEncoding = (typeof ENCODINGS)[number];

/** What text files hold: rows with a character between cells, or a JSON object a line. */
export const TEXT_FORMATS = ['csv', 'jsonl'] as const;

/** Says that no character quotes cells. */
const NO_QUOTE = 'none';

/** The keys of the `data` section that say how the bytes of a text file become cells. */
export const dialectShape = {
  format: z
    .enum(TEXT_FORMATS)
    .optional()
    .describe('File format: csv or jsonl (JSON Lines); default: detected by name or first character'),
  encoding: z.enum(ENCODINGS).optional().describe('Text encoding; default: UTF-8, or UTF-16 after a byte order mark'),
  delimiter: z
    .string()
    .regex(
      /^[^\p{L}\p{N}"\\\r\n\0.+-]{1,4}$/u,
      'one to four characters that separate two values, without letters, digits, quotes, dots, signs, ' +
        'backslashes or line ends (a tab is "\\t" in double quotes)',
    )
    .optional()
    .describe('CSV delimiter; default: detected from the first rows'),
  quote: z
    .string()
    .regex(
      /^(none|[!#$%&'*/:;<=>?@^_`|~"])$/,
      `one character around values that hold a delimiter or a line end, such as "'", or ${NO_QUOTE} if quotes ` +
        'have no special meaning',
    )
    .optional()
    .describe(`CSV quote character, doubled inside quoted values, or ${NO_QUOTE}; default: double quote`),
  header: z.boolean().optional().describe('Whether the first line of a CSV holds column names; if false, set columns'),
  columns: z
    .union([z.array(columnName).min(1), z.string().min(1)])
    .optional()
    .describe('Column names of a CSV without header, or extra JSON keys; or a file of names'),
  comments: z
    .string()
    .regex(/^[!#$%&*/:;<=>?@^_|~-]{1,4}$/, 'a prefix of one to four characters for comment lines, such as "#"')
    .optional()
    .describe('Prefix of CSV comment lines, which are ignored'),
  decimal: z.enum([',', '.']).optional().describe('Decimal separator of CSV numbers; default: dot'),
};
const dialectOptions = z.object(dialectShape);

/** What a config says about its text files. Parquet and shards have no use for it. */
export interface DialectOptions extends Omit<z.output<typeof dialectOptions>, 'columns'> {
  readonly columns?: readonly string[] | undefined;
}

/** How the bytes of one CSV become cells: plain data. */
export interface Dialect extends DialectOptions {
  readonly delimiter: string;
}

/** How a CSV is read of which nothing is said. */
export const PLAIN_CSV: Dialect = { delimiter: ',' };

/** What a section says about text files, without its other keys; a file of names was read before. */
export function dialectOf(data: z.output<typeof dialectOptions>): DialectOptions {
  const { columns, ...dialect } = dialectOptions.parse(data);
  if (typeof columns === 'string') throw new Error(`the names in ${columns} are not loaded`);
  return columns === undefined ? dialect : { ...dialect, columns };
}

/** The character that quotes cells; undefined where none does. */
export function quoteOf({ quote = '"' }: DialectOptions): string | undefined {
  return quote === NO_QUOTE ? undefined : quote;
}

/** What is wrong between the keys. */
export function* checkDialect({
  delimiter,
  quote = '"',
  comments,
  header,
  columns,
  format,
}: z.output<typeof dialectOptions>): Generator<ValidationIssue> {
  if (delimiter?.includes(quote) === true)
    yield {
      path: ['quote'],
      message: `'${quote}' is also the delimiter; use another character`,
    };
  if (
    comments !== undefined &&
    (comments.startsWith(quote) || (delimiter !== undefined && comments.startsWith(delimiter)))
  )
    yield {
      path: ['comments'],
      message:
        `'${comments}' also begins with the ${comments.startsWith(quote) ? 'quote character' : 'delimiter'}; use ` +
        'a prefix that no row starts with',
    };
  if (header === false && columns === undefined)
    yield {
      path: ['header'],
      message: 'header: false requires column names; set data.columns, for example columns: [click, user, item]',
    };
  if (header !== false && columns !== undefined && format !== 'jsonl')
    yield {
      path: ['columns'],
      message:
        'applies only to a file without column names; add header: false for a CSV without a header or format: ' +
        'jsonl for JSON Lines, or remove it',
    };
  const names = Array.isArray(columns) ? columns : [];
  for (const [i, name] of names.entries())
    if (names.indexOf(name) < i) yield { path: ['columns', i], message: `'${name}' is listed twice; remove one` };
}
