import { didYouMean, quoted, UserError, userError } from '../../core/errors.js';
import { holdsNotText } from '../../features/parse.js';
import type { CellFile } from './cell-file.js';

type Header = Pick<CellFile, 'path' | 'header' | 'dialect' | 'missing'>;

/**
 * Returns the indices of wanted columns in the header.
 * @throws UserError (data) that names every missing column
 */
export function columnIndices(file: Header, wanted: readonly string[]): ReadonlyMap<string, number> {
  const indices = new Map(file.header.map((name, i) => [name, i]));
  const missing = wanted.filter((name) => !indices.has(name));
  if (missing.length > 0) throw missingColumns(file, missing, missing.length === wanted.length);
  return new Map(wanted.map((name) => [name, indices.get(name)!]));
}

function missingColumns(file: Header, missing: readonly string[], areAll: boolean): UserError {
  const { path, header, dialect } = file;
  const isNamed = dialect?.header === false;
  const firstNames = header.slice(0, 40).join(', ');
  const eachColumn = (where: string, message: string, fixOf: (name: string) => string): UserError =>
    new UserError(
      'data',
      missing.map((name) => ({ where, key: `column ${quoted(name)}`, message, fix: fixOf(name) })),
    );
  if (file.missing !== undefined) {
    const { message, fix } = file.missing;
    return eachColumn(path, message, (name) => didYouMean(name, header) ?? `found ${firstNames}; ${fix}`);
  }
  const fix = headerFix(header);
  if (areAll && fix !== undefined)
    return userError('data', {
      where: `${path}:1`,
      message: 'the header has none of the columns that the config uses',
      fix,
    });
  if (areAll && !isNamed && looksLikeRow(header)) return noHeader(file, 'none of the columns that the config uses');
  const [separator] = header.length === 1 ? (/::?|[,;\t| \x01]/.exec(header[0]!) ?? []) : [];
  if (separator !== undefined) return otherDelimiter(file, separator);
  const namer = isNamed ? 'data.columns' : 'the header';
  const mayBeRow =
    areAll && !isNamed && missing.length > 1
      ? '; if the first line is a row, set data.header: false and list the column names in data.columns'
      : '';
  return eachColumn(
    isNamed ? path : `${path}:1`,
    `is used by the config, but is not in ${namer}`,
    (name) =>
      fix ??
      conditionFix(name, header) ??
      didYouMean(name, header) ??
      `use one of the ${header.length} columns of ${namer}: ${firstNames}${mayBeRow}`,
  );
}

/** Returns the error for a header of one column that contains a separator. */
function otherDelimiter(file: Header, separator: string): UserError {
  const { path, header, dialect } = file;
  if (dialect?.header !== false && looksLikeRow(header[0]!.split(separator)))
    return noHeader(file, undefined, separator);
  return userError('data', {
    where: `${path}:1`,
    message:
      `expected ${quoted(dialect?.delimiter)} as the delimiter in the header, found a single column ` +
      `that contains ${quoted(separator)}`,
    fix: `set data.delimiter: ${quoted(separator)}, or convert the file`,
  });
}

/** Suggests a fix for a line that is not a header, or has another encoding. */
function headerFix([first = '', ...others]: readonly string[]): string | undefined {
  if (first.startsWith('#')) return 'it begins with #: if such lines are comments, set data.comments: "#"';
  if (first.startsWith('sep='))
    return 'it begins with sep=, a line for Excel: remove that line, for example with tail -n +2';
  if ([first, ...others].some((name) => name.includes('\0')))
    return 'it contains NUL bytes: if the file is UTF-16, set data.encoding: utf-16le';
  return [first, ...others].some(holdsNotText)
    ? "it is not UTF-8: set the file's encoding, for example data.encoding: windows-1252"
    : undefined;
}

/** Suggests a fix for an expression instead of a column. */
function conditionFix(name: string, header: readonly string[]): string | undefined {
  const [, column] = /^\s*(.+?)\s*(?:[<>=!]=?|==)/.exec(name) ?? [];
  return column !== undefined && header.includes(column)
    ? `write a condition as a map, for example { column: ${column}, above: 3 } or { column: ${column}, equals: 'yes' }`
    : undefined;
}

/** Matches a value rather than a name: an empty string or a number. */
export const NOT_A_NAME = /^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?$/;

/** Returns whether a first line looks like a row: at least half of its names are values. */
export function looksLikeRow(names: readonly string[]): boolean {
  return 2 * names.filter((name) => NOT_A_NAME.test(name)).length >= names.length;
}

/** Returns whether most values of the first row appear again in their column, unlike names. */
export function isRepeated([first, ...rest]: readonly (readonly string[])[]): boolean {
  const filled = [...(first ?? []).entries()].filter(([, cell]) => cell !== '');
  return (
    filled.length > 0 &&
    2 * filled.filter(([i, cell]) => rest.some((cells) => cells[i] === cell)).length > filled.length
  );
}

/**
 * Returns the error for a first line that looks like a row.
 * @param found problem of its names, if known
 * @param delimiter delimiter that the config must also set, if any
 */
export function noHeader(
  { path, header, dialect }: Pick<CellFile, 'path' | 'header' | 'dialect'>,
  found?: string,
  delimiter?: string,
): UserError {
  const line = quoted(header.join(dialect?.delimiter));
  const alsoSet = delimiter === undefined ? '' : `, and data.delimiter: ${quoted(delimiter)}`;
  const isHeader =
    delimiter === undefined
      ? 'give each column a unique, non-numeric name'
      : `set data.delimiter: ${quoted(delimiter)} alone`;
  return userError('data', {
    where: `${path}:1`,
    message:
      `expected a header with column names, found ${found === undefined ? line : `${found} in ${line}`}, which ` +
      'looks like a row',
    fix:
      `add a header line, or set data.header: false and list the column names in data.columns${alsoSet}; if this ` +
      `is a header, ${isHeader}`,
  });
}
