/** @module-tag long */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DialectOptions } from '../../src/data/dialect.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { needsPython, python } from '../support/python.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';
import { storedFrame } from '../support/zstd-frame.js';

// A log in files of any supported format is read as its rows, or rejected with the file and line.

const COLUMNS = ['click', 'a', 'b', 'ds'] as const;
type Row = Readonly<Record<(typeof COLUMNS)[number], string>>;

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [featureTypes.schema.parse({ type: 'categorical', fields: ['a', 'b', 'ds'], encoding: 'tokens' })];

/** Reads all values of a source by row. */
async function read(paths: string | readonly string[], dialect: DialectOptions = {}, isLabeled = true): Promise<Row[]> {
  const of = createRowFormat({ tasks: isLabeled ? tasks : [], groups });
  const source = await openSource(paths, dataColumns(of), dialect);
  // Tokens with no encoding: the values are passed through.
  const encoded = encodedFormat(of, { a: { vocabulary: [] }, b: { vocabulary: [] }, ds: { vocabulary: [] } });
  const rows: Row[] = [];
  for await (const { kept, batch } of source.stream(encoded, COLUMNS, { policy: refuseBadRows }))
    for (let r = 0; r < batch.rows; r++)
      rows.push(Object.fromEntries(COLUMNS.map((name, c) => [name, kept[c]![r]!])) as Row);
  return rows;
}

/** Format of all files. */
interface Way {
  readonly isJson: boolean;
  readonly dialect: DialectOptions & { readonly delimiter: string };
  readonly isPartitioned: boolean;
}
/** Format of one file. */
interface FileWay {
  readonly pack: 'plain' | 'gz' | 'zst';
  readonly columns: readonly (keyof Row)[];
  readonly end: string;
  /** Whether values are quoted unnecessarily. */
  readonly isQuoted: boolean;
  readonly mark: '' | '\ufeff';
  readonly hasBlankLines: boolean;
}

/** Formats a row of a file; undefined if the format cannot express it. */
function lineOf(
  row: Row,
  { isJson, dialect: { delimiter, quote = '"', comments } }: Way,
  { columns, isQuoted }: FileWay,
): string | undefined {
  if (isJson)
    return JSON.stringify(
      Object.fromEntries(
        columns.flatMap((name) => (row[name] === '' && isQuoted ? [] : [[name, row[name] === '' ? null : row[name]]])),
      ),
    );
  const cells = columns.map((name) => row[name]);
  const isSpecial = (cell: string): boolean =>
    cell.includes(delimiter) || /[\r\n]/.test(cell) || (quote !== 'none' && cell.includes(quote));
  if (quote === 'none')
    return cells.some(isSpecial) || (comments !== undefined && cells[0]!.startsWith(comments))
      ? undefined
      : cells.join(delimiter);
  const quoted = (cell: string): string => quote + cell.replaceAll(quote, quote + quote) + quote;
  return cells
    .map((cell, c) =>
      isQuoted || isSpecial(cell) || (c === 0 && comments !== undefined && cell.startsWith(comments))
        ? quoted(cell)
        : cell,
    )
    .join(delimiter);
}

/** Formats a file of rows; undefined if the format cannot express a row. */
async function fileOf(rows: readonly Row[], way: Way, file: FileWay): Promise<Buffer | undefined> {
  const { columns, end, hasBlankLines } = file;
  const { header, comments, delimiter } = way.dialect;
  const head = way.isJson || header === false ? [] : [columns.join(delimiter)];
  const lines = [
    ...head,
    ...(comments === undefined ? [] : [`${comments} "made' today${delimiter}`]),
    ...rows.map((row) => lineOf(row, way, file)),
    ...(hasBlankLines ? ['', ''] : []),
  ];
  if (lines.includes(undefined)) return undefined;
  const text = Buffer.from(file.mark + lines.map((line) => line! + end).join(''));
  return file.pack === 'gz'
    ? gzipSync(text)
    : file.pack === 'zst'
      ? storedFrame([text.subarray(0, 3), text.subarray(3)])
      : text;
}

const ANY = [
  '',
  'x',
  'Ü',
  '"',
  '""',
  "'",
  ',',
  ';',
  '\t',
  '|',
  ' ',
  ' x ',
  '#',
  '\n',
  '\r\n',
  'a\nb',
  '#c',
  '\\',
  '\\"',
  '東京',
  '😀',
  '0',
  '-1.0',
  '1e5',
  'null',
  'NaN',
  '{}',
  '[1]',
  '=1',
  '\u2028',
  '\u00a0',
  '%41',
  '/',
];
const cell = fc.oneof(
  fc.constantFrom(...ANY),
  fc.array(fc.constantFrom(...ANY), { maxLength: 4 }).map((parts) => parts.join('')),
);
const row: fc.Arbitrary<Row> = fc.record({
  click: fc.constantFrom('0', '1'),
  a: cell,
  b: cell,
  ds: fc.constantFrom('2026-11-01', 'x y', '', 'a=b%', '/'),
});
const csvWay = fc
  .record({
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    quote: fc.constantFrom<'"' | "'" | 'none'>('"', "'", 'none'),
    header: fc.boolean(),
    comments: fc.constantFrom('#', undefined),
  })
  .map(({ header, comments, ...rest }): Way['dialect'] => ({
    ...rest,
    ...(!header && { header, columns: COLUMNS }),
    ...(comments !== undefined && { comments }),
  }));
const way: fc.Arbitrary<Way> = fc.oneof(
  fc.record({ isJson: fc.constant(false), dialect: csvWay, isPartitioned: fc.boolean() }),
  fc.record({
    isJson: fc.constant(true),
    dialect: fc.constant({ format: 'jsonl' as const, delimiter: ',', columns: COLUMNS }),
    isPartitioned: fc.boolean(),
  }),
);
const fileWay: fc.Arbitrary<FileWay> = fc.record({
  pack: fc.constantFrom('plain', 'gz', 'zst'),
  columns: fc.shuffledSubarray([...COLUMNS], { minLength: 4 }),
  end: fc.constantFrom('\n', '\r\n', '\r'),
  isQuoted: fc.boolean(),
  mark: fc.constantFrom('', '\ufeff'),
  hasBlankLines: fc.boolean(),
});

describe('log in any file format', () => {
  it('has the same rows: compressed, quoted, commented, partitioned, reordered or without header', async () => {
    let numRead = 0;
    await fc.assert(
      fc.asyncProperty(
        way,
        fc.array(fc.tuple(fc.array(row, { maxLength: 5 }), fileWay), { minLength: 1, maxLength: 4 }),
        async (how, files) => {
          const folder = join(scratchFolder(), 'log');
          const expected: (readonly [string, readonly Row[]])[] = [];
          for (const [i, [rows, file]] of files.entries()) {
            for (const ds of how.isPartitioned ? new Set(rows.map((each) => each.ds)) : [undefined]) {
              const own = rows.filter((each) => ds === undefined || each.ds === ds);
              const inFile = (columns: readonly (keyof Row)[]) =>
                columns.filter((name) => ds === undefined || name !== 'ds');
              const columns = inFile(how.dialect.header === false ? COLUMNS : file.columns);
              // A file without rows has no columns in these formats.
              if (own.length === 0 && (how.isJson || how.dialect.header === false)) continue;
              const text = await fileOf(own, how, {
                ...file,
                columns,
                end: how.isJson && file.end === '\r' ? '\n' : file.end,
              });
              if (text === undefined) return;
              const partition = ds === '' ? '__HIVE_DEFAULT_PARTITION__' : encodeURIComponent(ds ?? '');
              const inPartition = ds === undefined ? '' : `ds=${partition}/`;
              const name = `${inPartition}part-${i}.${how.isJson ? 'jsonl' : 'csv'}`;
              mkdirSync(dirname(join(folder, name)), { recursive: true });
              writeFileSync(join(folder, name), text);
              expected.push([name, own]);
            }
          }
          if (expected.length === 0) return;
          const { columns, ...said } = how.dialect;
          const dialect =
            columns === undefined
              ? said
              : { ...said, columns: columns.filter((name) => name !== 'ds' || !how.isPartitioned) };
          const rows = expected.sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, own]) => own);
          for (const path of [folder, how.isPartitioned ? `${folder}/*/part-*` : `${folder}/part-*`])
            expect(await read(path, dialect)).toEqual(rows);
          numRead += rows.length;
        },
      ),
      { numRuns: 150 },
    );
    expect(numRead).toBeGreaterThan(100);
  }, 60_000);

  it.each<[string, Readonly<Record<string, string | Uint8Array>>, DialectOptions, RegExp]>([
    [
      'a CSV row with too many values',
      { 'a.csv': 'click,a,b,ds\n1,x,y,z\n', 'b.csv': 'b,click,ds,a\nx,1,y,z\nx,1,y,z,w\n' },
      {},
      /b\.csv:3: expected 4 values as in the header, found 5/,
    ],
    [
      'a misplaced quote in a CSV',
      { 'a.csv': 'click,a,b,ds\n1,x,y,z\n', 'b.csv': 'click,a,b,ds\n1,x,y"z",z\n' },
      {},
      /b\.csv:2: expected a value that contains a quote to be fully quoted/,
    ],
    [
      'a quote that is not closed',
      { 'a.csv': 'click,a,b,ds\n1,x,y,z\n', 'b.csv': 'click,a,b,ds\n1,x,y,z\n1,"x,y,z\n' },
      {},
      /b\.csv:3: a quoted value is never closed; close it, or set data\.quote: none/,
    ],
    [
      'a broken object',
      {
        'a.jsonl': '{"click":1,"a":"x","b":"y","ds":"z"}\n',
        'b.jsonl': '{"click":1,"a":"x","b":"y","ds":"z"}\n{"click":1,"a":"x","b":\n',
      },
      {},
      /b\.jsonl:2: expected a value/,
    ],
    [
      'an invalid label',
      { 'a.jsonl': '{"click":1,"a":"x","b":"y","ds":"z"}\n', 'b.jsonl': '{"a":"x","click":7,"b":"y","ds":"z"}\n' },
      {},
      /b\.jsonl:1: column "click": expected 0 or 1, found "7"/,
    ],
    [
      'a truncated partition',
      {
        'ds=1/a.csv.gz': gzipSync('click,a,b\n1,x,y\n'),
        'ds=2/a.csv.gz': gzipSync('click,a,b\n1,x,y\n').subarray(0, -9),
      },
      {},
      /ds=2\/a\.csv\.gz:3: is (truncated|damaged)/,
    ],
    [
      'a file in another encoding',
      { 'a.csv': 'click,a,b,ds\n1,x,y,z\n', 'b.csv': Buffer.from('click,a,b,ds\n1,x,\xfc,z\n', 'latin1') },
      {},
      /b\.csv:2: column "b": expected valid UTF-8, found .*; .*data\.encoding/,
    ],
    [
      'a row with too few values and no header',
      { 'a.csv': '1,x,y,z\n', 'b.csv': '1,x,y,z\n1,x\n' },
      { header: false, columns: COLUMNS },
      /b\.csv:2: expected 4 values as in data\.columns, found 2/,
    ],
    [
      'a renamed column in a later file',
      { 'a.csv': 'click,a,b,ds\n1,x,y,z\n', 'b.csv': 'click,a,B,ds\n1,x,y,z\n' },
      {},
      /b\.csv:1: column "b": is used by the config, but is not in the header; did you mean 'B'/,
    ],
  ])('reports the file and line of %s, by a glob and by a directory', async (_, files, dialect, message) => {
    const folder = join(scratchFolder(), 'log');
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    for (const path of [folder, `${folder}/**/*.*`]) await expect(read(path, dialect)).rejects.toThrow(message);
  });

  it('equals the rows of DuckDB for a hostile CSV, or one of them rejects it', async (test) => {
    needsPython(test, 'duckdb');
    const piece = fc.constantFrom(
      'a',
      'bc',
      '"',
      '""',
      ',',
      ',',
      '\n',
      '\n',
      '\r\n',
      ' ',
      'ü',
      '#',
      "'",
      '\\',
      '"x"',
      '"x,y"',
      '"x\ny"',
      '"x""y"',
      '',
      '0',
    );
    const texts = fc.sample(
      fc.array(piece, { minLength: 4, maxLength: 30 }).map((parts) => `click,a,b,ds\n1,a,b,c\n${parts.join('')}`),
      { numRuns: 300, seed: 7 },
    );
    const rows = fc.sample(fc.tuple(fc.array(row, { minLength: 1, maxLength: 4 }), fileWay), { numRuns: 100, seed: 8 });
    for (const [some, file] of rows) {
      const text = await fileOf(
        some,
        { isJson: false, dialect: { delimiter: ',' }, isPartitioned: false },
        { ...file, columns: COLUMNS, pack: 'plain' },
      );
      texts.push(text!.toString());
    }
    const script = `import duckdb, json, sys
query = '''from read_csv('case.csv', delim=',', quote='"', escape='"', header=true, auto_detect=false,
columns={'click': 'VARCHAR', 'a': 'VARCHAR', 'b': 'VARCHAR', 'ds': 'VARCHAR'}, strict_mode=true)'''
found = []
for i, text in enumerate(json.load(open(sys.argv[1]))):
    open('case.csv', 'w', newline='').write(text)
    try:
        rows = duckdb.sql(query).fetchall()
        found.append([['' if cell is None else cell for cell in row] for row in rows])
    except duckdb.Error:
        found.append(None)
print(json.dumps(found))`;
    const found = JSON.parse(python(scratchFolder(), script, [scratchFile('cases.json', JSON.stringify(texts))])) as (
      string[][] | null
    )[];
    let numSame = 0;
    for (const [i, theirs] of found.entries()) {
      const ours = await read(scratchFile('case.csv', texts[i]!), { delimiter: ',' }, false).catch(() => undefined);
      if (theirs === null || ours === undefined) continue;
      numSame++;
      expect(
        ours.map((each) => COLUMNS.map((name) => each[name])),
        JSON.stringify(texts[i]),
      ).toEqual(theirs);
    }
    expect(numSame).toBeGreaterThan(60);
  });

  it('equals the rows written by DuckDB: partitioned, compressed, as CSV, JSON Lines and Parquet', async (test) => {
    needsPython(test, 'duckdb');
    const rows = fc
      .sample(row, { numRuns: 60, seed: 9 })
      .map((each) => ({ ...each, ds: each.ds === '' ? 'none' : each.ds }));
    const folder = scratchFolder();
    const script = `import duckdb, json, sys
columns = "{'click': 'VARCHAR', 'a': 'VARCHAR', 'b': 'VARCHAR', 'ds': 'VARCHAR'}"
duckdb.sql(f"create table log as select click, a, b, ds from read_json('rows.json', columns={columns})")
formats = {
    'csv': "format csv, compression zstd, file_extension 'csv.zst'",
    'tab': "format csv, delimiter '\\t', compression gzip, file_extension 'csv.gz'",
    'json': 'format json, compression zstd',
    'parquet': 'format parquet',
}
for name, options in formats.items():
    duckdb.sql(f"copy log to '{name}' (partition_by (ds), {options})")`;
    writeFileSync(join(folder, 'rows.json'), JSON.stringify(rows));
    python(folder, script);
    const sorted = (all: readonly Row[]): string[] =>
      all.map((each) => JSON.stringify(COLUMNS.map((name) => each[name]))).sort();
    for (const [name, dialect] of [
      ['csv', {}],
      ['tab', { delimiter: '\t' }],
      ['json', { format: 'jsonl' }],
      ['parquet', {}],
    ] as const)
      expect(sorted(await read(join(folder, name), dialect)), name).toEqual(sorted(rows));
  });
});
