import { quoted, userError } from '../../core/errors.js';
import { PLAIN_CSV, type DialectOptions } from '../dialect.js';
import { isRepeated, looksLikeRow, noHeader } from './column-indices.js';
import { parseCells } from './csv-cells.js';

/** Delimiters that are detected. */
export const CANDIDATES = [',', ';', '\t', '|'];
/** Rows that are looked at, where the first does not tell. */
const LOOK_ROWS = 100;

/**
 * What stands between the cells of a CSV: what takes its first row apart. Where several could, it is the one that
 * leaves most of
 * the rows behind it as wide as that one. A comma where none could.
 * @param head the beginning of the file
 * @param options what is said of it; where that names the columns of a file without a header, they must be as many
 * @throws UserError (data) that names them where several do that, or that there is no header
 */
export function findDelimiter(path: string, head: Buffer, options: DialectOptions = {}): string {
  const width = options.header === false ? options.columns?.length : undefined;
  const rowsBy = (delimiter: string, most: number): readonly (readonly string[])[] =>
    parseCells(head, 1, { ...PLAIN_CSV, ...options, delimiter }, most).rows;
  const found = CANDIDATES.filter((delimiter) => head.includes(delimiter))
    .map((delimiter) => ({ delimiter, width: rowsBy(delimiter, 1)[0]?.length ?? 0 }))
    .filter((each) => each.width > 1);
  if (found.length < 2) return found[0]?.delimiter ?? PLAIN_CSV.delimiter;
  const isFitting = (each: (typeof found)[number]): boolean => {
    const [, ...rest] = rowsBy(each.delimiter, LOOK_ROWS);
    return 2 * rest.filter((cells) => cells.length === each.width).length > rest.length;
  };
  const fitting = found.filter((each) => (width === undefined || each.width === width) && isFitting(each));
  if (fitting.length === 1) return fitting[0]!.delimiter;
  const [widest] = [...found].sort((a, b) => b.width - a.width) as [(typeof found)[number]];
  const rows = rowsBy(widest.delimiter, LOOK_ROWS);
  if (options.header !== false && (looksLikeRow(rows[0]!) || isRepeated(rows)))
    throw noHeader(
      { path, header: rows[0]!, dialect: { ...PLAIN_CSV, delimiter: widest.delimiter } },
      undefined,
      widest.delimiter,
    );
  const told = found.map(({ delimiter, width }) => `${quoted(delimiter)} (${width} columns)`).join(' or ');
  throw userError('data', {
    where: `${path}:1`,
    key: 'data.delimiter',
    message: `expected one delimiter, found several candidates: ${told}`,
    fix: `set it, for example delimiter: ${quoted(found[0]!.delimiter)}`,
  });
}
