import { z } from 'zod';
import { issuesBelow, type ValidationIssue } from '../core/component.js';
import { columnName } from '../core/tasks.js';

/**
 * Names of encodings. Those other than UTF and latin1 (ISO 8859-1) follow the tables of the WHATWG Encoding Standard.
 * Node supports others with different tables: it changes characters of Big5, Shift JIS and EUC.
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

/** Formats of text files: delimited values, or a JSON object per line. */
export const TEXT_FORMATS = ['csv', 'jsonl'] as const;

const NO_QUOTE = 'none';

/** Keys of the `data` section that define how text files are parsed. */
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

const { format, encoding, delimiter, quote, comments, decimal } = dialectShape;
/** Keys of a side table or an event log that define how its text files, which have a header, are parsed. */
export const sideDialectShape = { format, encoding, delimiter, quote, comments, decimal };

/** Options for parsing text files; Parquet and shards ignore them. */
export interface DialectOptions extends Omit<z.output<typeof dialectOptions>, 'columns'> {
  readonly columns?: readonly string[] | undefined;
}

/** Dialect of a CSV. Plain data. */
export interface Dialect extends DialectOptions {
  readonly delimiter: string;
}

export const PLAIN_CSV: Dialect = { delimiter: ',' };

/**
 * Returns the dialect of a `data` section.
 * @throws Error if a file of column names is not loaded yet
 */
export function parseDialect(data: z.output<typeof dialectOptions>): DialectOptions {
  const { columns, ...dialect } = dialectOptions.parse(data);
  if (typeof columns === 'string') throw new Error(`the names in ${columns} are not loaded`);
  return columns === undefined ? dialect : { ...dialect, columns };
}

/** Returns the quote character; undefined if quotes are disabled. */
export function quoteCharacter({ quote = '"' }: DialectOptions): string | undefined {
  return quote === NO_QUOTE ? undefined : quote;
}

/** Yields the issues of keys that conflict. */
export function* checkDialect({
  delimiter,
  quote = '"',
  comments,
  header,
  columns,
  format,
}: z.output<typeof dialectOptions>): Generator<ValidationIssue> {
  if (delimiter?.includes(quote) === true)
    yield { path: ['quote'], message: `'${quote}' is also the delimiter; use another character` };
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

/** Yields the issues of keys that conflict in side tables or event logs by name; the paths start below the section. */
export function* checkSideDialects(
  section: Readonly<Record<string, Parameters<typeof checkDialect>[0]>>,
): Generator<ValidationIssue> {
  for (const [name, own] of Object.entries(section)) yield* issuesBelow([name], checkDialect(own));
}
