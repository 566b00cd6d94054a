import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';

/** An invalid training file of `smallWorld`, and the first problem that commands report. */
export interface BrokenFile {
  readonly title: string;
  readonly name: string;
  /** @param lines of a valid file, the header first */
  readonly content: (lines: readonly string[]) => string | Uint8Array;
  /** Additional keys of the `data` section. */
  readonly data?: string;
  /** An additional feature group. */
  readonly group?: string;
  readonly problem: string;
}

const text = (lines: readonly string[]): string => `${lines.join('\n')}\n`;
const rows = (lines: readonly string[], edit: (row: string, i: number) => string): readonly string[] =>
  lines.map((line, i) => (i === 0 ? line : edit(line, i)));
const withLast = (lines: readonly string[], edit: (row: string) => string): readonly string[] => [
  ...lines.slice(0, -1),
  edit(lines.at(-1)!),
];
const objects = (lines: readonly string[]): readonly string[] => {
  const names = lines[0]!.split(',');
  return lines
    .slice(1)
    .map((line) =>
      JSON.stringify(
        Object.fromEntries(
          line.split(',').map((cell, i) => [names[i], Number.isNaN(Number(cell)) ? cell : Number(cell)]),
        ),
      ),
    );
};
const parquet = (lines: readonly string[]): Buffer => {
  const names = lines[0]!.split(',');
  const cells = lines.slice(1).map((line) => line.split(','));
  return Buffer.from(
    parquetWriteBuffer({
      columnData: names.map((name, i) => ({ name, data: cells.map((row) => row[i]!), type: 'STRING' as const })),
    }),
  );
};
const utf16 = (content: string): Buffer => Buffer.from(content, 'utf16le');
const file = (
  title: string,
  problem: string,
  content: BrokenFile['content'],
  more: Partial<BrokenFile> = {},
): BrokenFile => ({ title, name: 'broken.csv', content, problem, ...more });

/** Invalid training files. */
export const brokenFiles: readonly BrokenFile[] = [
  // Encoding and form of the text.
  file('nothing', 'data.train: is empty; expected a header and rows', () => ''),
  file('a header alone', 'expected at least one usable row after the header, found none', (lines) =>
    text(lines.slice(0, 1)),
  ),
  file('empty lines', 'data.train: is empty; expected a header and rows', () => '\n\n\n'),
  file('no header', 'data.train: expected a header with column names, found "0"', (lines) => text(lines.slice(1))),
  file('no header, and cells of words', 'data.train: expected a header with column names, found "0"', (lines) =>
    text(
      lines.slice(1).map((line) =>
        line
          .split(',')
          .map((cell, i) => (i < 2 ? cell : `u${i}_${cell}`))
          .join(','),
      ),
    ),
  ),
  file('no header, and lists in cells', 'data.train: expected a header with column names, found', (lines) =>
    text(lines.slice(1).map((line) => `${line},a|b|c`)),
  ),
  file('no header, tabs and lists in cells', 'data.train: expected a header with column names, found', (lines) =>
    text(lines.slice(1).map((line) => `${line.replaceAll(',', '\t')}\ta|b|c,d`)),
  ),
  file(
    'no header, of one column',
    'data.train: expected a header with column names, found none of the columns that the config uses',
    (lines) => text(lines.slice(1).map((line) => line[0]!)),
  ),
  file(
    'no header, and two colons between cells',
    'which looks like a row; add a header line, or set data.header: false and list the column names',
    (lines) => text(lines.slice(1).map((line) => line.replaceAll(',', '::'))),
  ),
  file(
    'no header, and words in all cells',
    'which looks like a row; add a header line, or set data.header: false and list the column names',
    (lines) =>
      text(
        lines.slice(1).map((line) =>
          line
            .split(',')
            .map((cell) => `u${cell}`)
            .join(','),
        ),
      ),
  ),
  file(
    'a header twice',
    'column "click": expected 0 or 1, found "click"; correct the row, or define the positive value',
    (lines) => text([lines[0]!, ...lines]),
  ),
  file('a column twice', 'data.train: expected a header with column names, found "click"', (lines) =>
    text([lines[0]!.replace('purchase', 'click'), ...lines.slice(1)]),
  ),
  file('a column of another name', 'column "click": is used by the config, but is not in the header;', (lines) =>
    text([lines[0]!.replace('click', 'clicked'), ...lines.slice(1)]),
  ),
  file('a column less', 'column "click": is used by the config, but is not in the header;', (lines) =>
    text(lines.map((line) => line.replace(/^[^,]*,/, ''))),
  ),
  file('two delimiters', 'expected 33 values as in the header, found 1; correct the row, or set', (lines) =>
    text(rows(lines, (row, i) => (i % 2 === 0 ? row.replaceAll(',', ';') : row))),
  ),
  file('another delimiter than the config says', 'data.train: expected a header with column names, found', text, {
    data: 'delimiter: ";"',
  }),
  file(
    'a delimiter that is not looked for',
    'column "click": is used by the config, but is not in the header;',
    (lines) => text(lines.map((line) => line.replaceAll(',', '~'))),
  ),
  file('colons between cells', 'data.train: expected a header with column names, found', (lines) =>
    text(lines.map((line) => line.replaceAll(',', '::'))),
  ),
  file('sep= of Excel', 'data.train: the header has none of the columns that the config uses; it', (lines) =>
    text(['sep=,', ...lines]),
  ),
  file('comments', 'data.train: the header has none of the columns that the config uses; it', (lines) =>
    text(['# made by hand', ...lines]),
  ),
  file('UTF-16 without a mark', 'data.train: the header has none of the columns that the config uses; it', (lines) =>
    utf16(text(lines)),
  ),
  file(
    'windows-1252',
    'column "D853": expected valid UTF-8, found "M\\udfffnchen"; correct the',
    (lines) => Buffer.from(text(rows(lines, (row) => row.replace(/,[^,]*$/, ',M\u00fcnchen'))), 'latin1'),
    { group: 'city: { type: categorical, fields: [D853], encoding: tokens }' },
  ),
  file('JSON in a CSV', 'data.train: contains a JSON object, but is named like a CSV file', (lines) =>
    text(objects(lines)),
  ),
  file('a ragged row', 'expected 33 values as in the header, found 34; correct the row, or set', (lines) =>
    text(withLast(lines, (row) => `${row},1`)),
  ),
  file('ragged rows', 'expected 33 values as in the header, found 34; correct the row, or set', (lines) =>
    text(rows(lines, (row) => `${row},1`)),
  ),
  file('a row cut short', 'expected 33 values as in the header, found 30; correct the row, or set', (lines) =>
    text(lines).slice(0, -20),
  ),
  file('a quote that is not closed', 'a quoted value is never closed; close it, or set data.quote: none', (lines) =>
    text(withLast(lines, (row) => `"${row}`)),
  ),
  file('a quote within a cell', 'expected a value that contains a quote to be fully quoted, with the inner', (lines) =>
    text(rows(lines, (row) => row.replace(/^(\d),/, '$1"a",'))),
  ),
  file(
    'a quote behind a quoted cell',
    'expected a comma or the end of the line after a closing quote (a quote',
    (lines) => text(rows(lines, (row) => row.replace(/^(\d),/, '"$1"a,'))),
  ),
  file(
    'an invalid label',
    'column "click": expected 0 or 1, found "7"; correct the row, or define positives',
    (lines) => text(withLast(lines, (row) => row.replace(/^\d/, '7'))),
  ),
  file(
    'invalid labels alone',
    'column "click": expected 0 or 1, found "2"; correct the row, or define positives',
    (lines) => text(rows(lines, (row) => row.replace(/^\d/, '2'))),
  ),
  file(
    'labels in words',
    'column "click": expected 0 or 1, found "no"; correct the row, or define the positive value',
    (lines) => text(rows(lines, (row) => row.replace(/^\d/, (label) => (label === '1' ? 'yes' : 'no')))),
  ),
  file('a blank label', 'column "click": expected 0 or 1, found ""; correct the row, or set onMissing', (lines) =>
    text(withLast(lines, (row) => row.replace(/^\d/, ''))),
  ),
  file('blank ids', 'column "101": expected an integer id in digits, found "";', (lines) =>
    text(rows(lines, (row) => row.replace(/^(\d,\d),\d+/, '$1,'))),
  ),
  file('ids of pandas', 'column "101": expected an integer id in digits, found "10.0";', (lines) =>
    text(rows(lines, (row) => row.replace(/^(\d,\d,\d+)/, '$1.0'))),
  ),
  file('ids in words', 'column "101": expected an integer id in digits, found "u10";', (lines) =>
    text(rows(lines, (row) => row.replace(/^(\d,\d),/, '$1,u'))),
  ),
  file('an id beyond 31 bits', 'column "101": expected an id of at most 2147483647, found', (lines) =>
    text(withLast(lines, (row) => row.replace(/^(\d,\d),/, '$1,9999999999'))),
  ),
  file(
    'decimal commas',
    'column "D109_14": expected a decimal number, found "0,0311"; write 0.0311, or set data.decimal: ","',
    (lines) =>
      text([
        lines[0]!.replaceAll(',', ';'),
        ...lines.slice(1).map((line) => line.replaceAll(',', ';').replaceAll('.', ',')),
      ]),
    { group: 'number: { type: numeric, fields: [D109_14], scaling: standard }' },
  ),
  file(
    'numbers in words',
    'column "D853": expected a decimal number, found "NA"; correct the row,',
    (lines) => text(rows(lines, (row) => row.replace(/[^,]*$/, 'NA'))),
    { group: 'number: { type: numeric, fields: [D853], scaling: standard }' },
  ),
  file(
    'a number with thousands',
    'column "D853": expected a decimal number, found "1\'234\'567.5"; write',
    (lines) => text(withLast(lines, (row) => row.replace(/[^,]*$/, "1'234'567.5"))),
    { group: 'number: { type: numeric, fields: [D853] }' },
  ),
  file('a purchase without a click', 'expected click to be 1 if purchase is 1; correct the row, or set', (lines) =>
    text(withLast(lines, (row) => row.replace(/^\d,\d/, '0,1'))),
  ),
  file(
    'more invalid rows than are skipped',
    'column "click": expected 0 or 1, found "2"; correct the row, or define positives',
    (lines) => text(rows(lines, (row, i) => (i % 100 === 0 ? row.replace(/^\d/, '2') : row))),
    { data: 'onBadRow: skip, maxRejects: 5' },
  ),
  file(
    'invalid rows alone, which are skipped',
    'expected at least one usable row after the header, found none; most',
    (lines) => text(rows(lines, (row) => row.replace(/^\d/, '2'))),
    { data: 'onBadRow: skip' },
  ),
  file(
    'gzip that is cut off',
    'is truncated: the gzip data ends early',
    (lines) => gzipSync(text(lines)).subarray(0, -2000),
    { name: 'broken.csv.gz' },
  ),
  file(
    'gzip with a changed byte',
    'data.train: is damaged: invalid gzip data',
    (lines) => Buffer.from(gzipSync(text(lines)).map((byte, i) => (i === 3000 ? byte ^ 255 : byte))),
    { name: 'broken.csv.gz' },
  ),
  file(
    'a cut gzip, with an invalid row before',
    'column "click": expected 0 or 1, found "3"; correct the row, or define positives',
    (lines) => gzipSync(text([lines[0]!, lines[1]!.replace(/^\d/, '3'), ...lines.slice(2)])).subarray(0, -2000),
    { name: 'broken.csv.gz' },
  ),
  file(
    'JSON Lines with a list',
    'data.train: is a JSON array; expected one object per line; convert it:',
    (lines) => `[${objects(lines).join(',\n')}]\n`,
    { name: 'broken.jsonl' },
  ),
  file(
    'JSON Lines that are cut off',
    'expected a comma or } after a value, in column 302; correct the row,',
    (lines) => text(objects(lines)).slice(0, -40),
    { name: 'broken.jsonl' },
  ),
  file(
    'JSON Lines without a key',
    'column "click": is used by the config, but is in none of the first 771 lines',
    (lines) => text(objects(lines).map((line) => line.replaceAll('"click"', '"clicked"'))),
    { name: 'broken.jsonl' },
  ),
  file(
    'JSON Lines with a nested label',
    'column "click": expected one value, not a list, found "[0]"; correct',
    (lines) => text(objects(lines).map((line) => line.replace(/"click":(\d)/, '"click":[$1]'))),
    { name: 'broken.jsonl' },
  ),
  file(
    'JSON over several lines',
    'data.train: expected one JSON object per line, found "{"; if',
    (lines) =>
      objects(lines)
        .map((line) => JSON.stringify(JSON.parse(line), undefined, 1))
        .join('\n'),
    { name: 'broken.jsonl' },
  ),
  file(
    'Parquet that is cut off',
    'data.train: cannot be read as Parquet (it does not end with PAR1, so the file is truncated); copy the file again',
    (lines) => parquet(lines).subarray(0, -100),
    { name: 'broken.parquet' },
  ),
  file(
    'Parquet with a damaged page',
    'column "click": cannot be read as Parquet in row group 1: the header of a page is damaged; copy the file again',
    (lines) => Buffer.from(parquet(lines).map((byte, i) => (i > 3 && i < 60 ? 255 : byte))),
    { name: 'broken.parquet' },
  ),
  file(
    'Parquet without a column',
    'column "click": is used by the config, but is not in the header;',
    (lines) => parquet([lines[0]!.replace('click', 'clicked'), ...lines.slice(1)]),
    { name: 'broken.parquet' },
  ),
  file(
    'Parquet with an invalid label',
    'column "click": expected 0 or 1, found "7"; correct the row, or define positives',
    (lines) => parquet(withLast(lines, (row) => row.replace(/^\d/, '7'))),
    { name: 'broken.parquet' },
  ),
  file('a text called Parquet', 'data.train: is named like a Parquet file, but does not begin', text, {
    name: 'broken.parquet',
  }),
  file(
    'a zip archive',
    'data.train: is a ZIP archive or an .xlsx workbook; expected plain',
    () => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(400, 7)]),
    { name: 'broken.csv' },
  ),
  file('random bytes', 'data.delimiter: expected one delimiter, found several', () =>
    Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3) * 31) % 256)),
  ),
];
