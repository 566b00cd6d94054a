import { didYouMean, quoted, UserError, userError } from '../../errors.js';
import type { CellFile } from './cell-file.js';

/**
 * Where the wanted columns stand in the header.
 * @throws UserError (data) that names every column that is missing
 */
export function columnIndices(file: Pick<CellFile, 'path' | 'header' | 'dialect'>, wanted: readonly string[]): ReadonlyMap<string, number> {
  const { path, header } = file;
  const indices = new Map(header.map((name, i) => [name, i]));
  const missing = wanted.filter((name) => !indices.has(name));
  if (missing.length > 0) {
    if (missing.length === wanted.length && looksLikeRow(header)) throw noHeader(file, 'none of the columns that the config asks for');
    const [separator] = header.length === 1 ? (/::?|[,;\t| \x01]/.exec(header[0]!) ?? []) : [];
    if (separator !== undefined) {
      throw userError('data', { where: `${path}:1`, message: `expected ${quoted(file.dialect?.delimiter)} between the columns of the header, found one column that holds ${quoted(separator)}`, fix: `set data.delimiter: ${quoted(separator)}, or write the file otherwise` });
    }
    throw new UserError(
      'data',
      missing.map((name) => ({
        where: `${path}:1`,
        key: `column ${quoted(name)}`,
        message: 'the config asks for it, the header does not have it',
        fix: didYouMean(name, header) ?? `the header has ${header.length} columns: ${header.slice(0, 40).join(', ')}`,
      })),
    );
  }
  return new Map(wanted.map((name) => [name, indices.get(name)!]));
}

/** What is rather a value than a name: nothing, or a number. */
export const NOT_A_NAME = /^([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)?$/;

/** Whether a first line is rather a row; some columns are called by numbers. */
export function looksLikeRow(names: readonly string[]): boolean {
  return 2 * names.filter((name) => NOT_A_NAME.test(name)).length >= names.length;
}

/** The error for a first line that is rather a row. */
export function noHeader({ path, header, dialect }: Pick<CellFile, 'path' | 'header' | 'dialect'>, found: string): UserError {
  const line = quoted(header.join(dialect?.delimiter));
  return userError('data', { where: `${path}:1`, message: `expected a header with the names of columns, found ${found} in ${line}, which looks like a row`, fix: 'write a first line with the names of the columns; where this is one, give each a name of its own' });
}
