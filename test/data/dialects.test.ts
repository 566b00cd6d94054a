import { column } from '../../src/core/batch.js';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import type { Dialect, DialectOptions } from '../../src/data/dialect.js';
import { withPoint } from '../../src/data/readers/decimal-comma.js';
import { columnIndices } from '../../src/data/readers/column-indices.js';
import { openCsv } from '../../src/data/readers/csv.js';
import { parseCells } from '../../src/data/readers/csv-cells.js';
import { encodeRows } from '../../src/data/pipeline.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { encodedFormat, createRowFormat, withFilter } from '../../src/data/rows/row-format.js';
import { listLabelColumns, type LabelColumn } from '../../src/data/rows/label-columns.js';
import { InvalidValueError } from '../../src/text/invalid-value.js';
import { taskOptions } from '../../src/core/tasks.js';
import { needsPython, python } from '../support/python.js';
import { openAllColumns, readLines, readRows } from '../support/read-rows.js';
import { scratchFile } from '../support/scratch.js';

const noRules = createRowFormat({ tasks: [], groups: [] });

/** Reads all rows as values; `numbers` columns as numbers. */
async function read(
  content: string | Uint8Array,
  options?: DialectOptions,
  numbers?: readonly string[],
): Promise<unknown[][]> {
  const source = await openAllColumns(scratchFile('data.csv', content), options);
  return readRows(source, source.csv.header, { ...(numbers && { numbers }) });
}

/** Reads the label columns of all rows. */
async function readLabels(
  content: string,
  options: DialectOptions,
  labels: readonly LabelColumn[],
): Promise<readonly (readonly number[])[]> {
  const found = labels.map((): number[] => []);
  const source = await openAllColumns(scratchFile('data.csv', content), options);
  for await (const { batch, rejects } of encodeRows(source, encodedFormat({ ...noRules, labels }, {}))) {
    for (const row of rejects) refuseBadRows.reject(row);
    for (const [i, { name }] of labels.entries())
      found[i]!.push(...column(batch, name, 'f32').data.subarray(0, batch.rows));
  }
  return found;
}

describe('CSV dialect', () => {
  it.each<[string, string, DialectOptions, string[][]]>([
    [
      'single quotes',
      "a,b\n'1,5','it''s'\n\"x\",'\n'\n",
      { quote: "'" },
      [
        ['1,5', "it's"],
        ['"x"', '\n'],
      ],
    ],
    ['no quotes', 'a,b\n5" pipe,"x\n', { quote: 'none' }, [['5" pipe', '"x']]],
    [
      'comments',
      '# made today, by "us\na,b\n#1,2\n3,4#\n#\n5,#6\n',
      { comments: '#' },
      [
        ['3', '4#'],
        ['5', '#6'],
      ],
    ],
    ['a comment prefix of two characters', 'a,b\n--1,2\n-3,4\n', { comments: '--' }, [['-3', '4']]],
    ['a comment prefix in a quoted value', 'a,b\n"x\n#y",2\n#z\n', { comments: '#' }, [['x\n#y', '2']]],
    [
      'no header',
      '1,2\n3,4\n',
      { header: false, columns: ['a', 'b'] },
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'no header, and a byte order mark',
      '\ufeff1;2\n3;4\n',
      { header: false, columns: ['a', 'b'] },
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'no header, and a delimiter that gives as many values as names',
      '1|2;3|4\n5|6;7|8\n',
      { header: false, columns: ['a', 'b'] },
      [
        ['1|2', '3|4'],
        ['5|6', '7|8'],
      ],
    ],
    [
      'CR line ends and no header',
      '1,2\r3,4\r',
      { header: false, columns: ['a', 'b'] },
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
  ])('is applied: %s', async (_, content, options, rows) => {
    expect(await read(content, options)).toEqual(rows);
    expect(await read(gzipSync(content), options)).toEqual(rows);
  });

  it.each<[string, string, DialectOptions, RegExp]>([
    [
      'a comment prefix after a closing quote',
      'a,b\n"1"#x,2\n',
      { comments: '#' },
      /data\.csv:2: expected a comma or the end of the line after a closing quote/,
    ],
    [
      'a comment prefix after an empty quoted value',
      'a,b\n""#x,2\n',
      { comments: '#' },
      /data\.csv:2: expected a comma/,
    ],
    [
      'too many values in a row after comments',
      '#\na,b\n#\n#\n1,2,3\n',
      { comments: '#' },
      /data\.csv:5: expected 2 values as in the header, found 3/,
    ],
    ['a broken row after comments', 'a,b\n#\n1,"2"x\n', { comments: '#' }, /data\.csv:3: expected a comma/],
    [
      'comments without data.comments',
      '#a\nb,c\n1,2\n',
      {},
      /data\.csv:2: expected 1 values as in the header, found 2/,
    ],
    ['another quote character', "a,b\n'1,2',3\n", {}, /data\.csv:2: expected 2 values as in the header, found 3/],
    [
      'more values than names',
      '1,2,3\n',
      { header: false, columns: ['a', 'b'] },
      /data\.csv:1: expected 2 values as in data\.columns, found 3; list every column/,
    ],
    [
      'more values than names in a later row',
      '1,2\n1,2,3\n',
      { header: false, columns: ['a', 'b'] },
      /data\.csv:2: expected 2 values as in data\.columns, found 3/,
    ],
    [
      'a header despite header: false',
      'a,b\n1,2\n',
      { header: false, columns: ['a', 'b'] },
      /data\.csv:1: contains the column names, but data\.header is false; remove data\.header and data\.columns/,
    ],
  ])('is checked: %s', async (_, content, options, message) => {
    await expect(read(content, options)).rejects.toThrow(message);
    await expect(read(content, options)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.each<[string, string, RegExp]>([
    ['#a,b\n1,2\n', 'c', /it begins with #: if such lines are comments, set data\.comments: "#"/],
    [
      '# made by night\na;b\n1;2\n',
      'a',
      /data\.csv:1: the header has none .*it begins with #: if such lines are comments, set data\.comments: "#"$/,
    ],
    [
      'sep=;\na;b\n1;2\n',
      'a',
      /data\.csv:1: the header has none .*it begins with sep=, a line for Excel: remove that line/,
    ],
    [
      'click,b\n1,2\n',
      'click > 0',
      /column "click > 0".*; write a condition as a map, for example \{ column: click, above: 3 \}/,
    ],
    ['a\0,b\0\n1,2\n', 'a', /if the file is UTF-16, set data\.encoding: utf-16le/],
    [
      Buffer.from('größe,b\n1,2\n', 'latin1').toString('latin1'),
      'größe',
      /set the file's encoding, for example data\.encoding: windows-1252/,
    ],
  ])('is suggested for the header %j', async (header, wanted, cure) => {
    const csv = await openCsv(scratchFile('data.csv', Buffer.from(header, 'latin1')));
    expect(() => columnIndices(csv, [wanted])).toThrow(cure);
  });

  it('suggests format: jsonl if a CSV starts with an object, unless the format is csv', async () => {
    const path = scratchFile('data.csv', '{"a":1}\n{"a":2}\n');
    await expect(openCsv(path)).rejects.toThrow(/data\.csv:1: contains a JSON object, .*; set data\.format: jsonl/);
    await expect(openCsv(path, { format: 'csv', quote: 'none' })).resolves.toMatchObject({ header: ['{"a":1}'] });
  });

  it('without a header names columns by data.columns', async () => {
    const csv = await openCsv(scratchFile('data.csv', '1,2\n'), { header: false, columns: ['click', 'item'] });
    expect(() => columnIndices(csv, ['itm'])).toThrow(
      /^[^\n]*data\.csv: column "itm": is used by the config, but is not in data\.columns; did you mean 'item'\?$/,
    );
  });

  it('reads numbers with a decimal comma and rejects those with a dot', async () => {
    const content = 'text;n\n1,5;1,5\n1.5;-12\n,;0,25\n;,5\n';
    expect(await read(content, { decimal: ',' }, ['n'])).toEqual([
      ['1,5', 1.5],
      ['1.5', -12],
      [',', 0.25],
      ['', 0.5],
    ]);
    await expect(read('text;n\na;1.500\n', { decimal: ',' }, ['n'])).rejects.toThrow(
      /data\.csv:2: column "n": expected a number with a decimal comma and no dot, as set in data\.decimal, found "1\.500"/,
    );
    await expect(read('text;n\na;66.63\n', { decimal: ',' }, ['n'])).rejects.toThrow(
      'found "66.63"; write 66,63, or set data.decimal: "." if all numbers of the CSV file have a dot',
    );
  });

  it('leaves spaces and null values of a number with a decimal comma unchanged', () => {
    expect([' 1,5 ', 'n.a.', '.', ',', ''].map(withPoint)).toEqual([' 1.5 ', 'n.a.', '.', ',', '']);
    expect(() => withPoint(' 1.500 ')).toThrow(InvalidValueError);
  });

  it('compares numbers with a decimal comma, and strings unchanged', async () => {
    const labels = listLabelColumns([
      { name: 'dear', ...taskOptions.parse({ label: { column: 'n', above: 7.25 } }) },
      {
        name: 'half',
        ...taskOptions.parse({
          label: {
            any: [
              { column: 'n', equals: 0.5 },
              { column: 'text', equals: '1,5' },
            ],
          },
        }),
      },
    ]);
    expect(await readLabels('text;n\n1,5;7,5\nx;0,5\n1.5;7,25\n', { decimal: ',' }, labels)).toEqual([
      [1, 0, 0],
      [1, 1, 0],
    ]);
  });

  it('reads row weights with a decimal comma', async () => {
    const labels = listLabelColumns([{ name: 'ctr', ...taskOptions.parse({ label: 'click', sampleWeight: 'n' }) }]);
    const read = (content: string): Promise<unknown> => readLabels(content, { decimal: ',' }, labels);
    expect(await read('click;n\n1;0,25\n0;2\n1;"1,5"\n')).toEqual([
      [1, 0, 1],
      [0.25, 2, 1.5],
    ]);
    await expect(read('click;n\n1;1.500\n')).rejects.toThrow(
      /column "n": expected a number with a decimal comma and no dot/,
    );
  });

  it('filters rows by numbers with a decimal comma', async () => {
    const source = await openAllColumns(scratchFile('data.csv', 'text;n\na;7,5\nb;0,5\nc;7,50\n'), { decimal: ',' });
    const format = encodedFormat(withFilter(noRules, { where: { column: 'n', equals: 7.5 } }), {});
    let count = 0;
    for await (const { batch, rejects } of encodeRows(source, format)) {
      expect(rejects).toEqual([]);
      count += batch.rows;
    }
    expect(count).toBe(2);
  });

  it('equals the output of csv-parse for any chunk size', async () => {
    const cell = fc.constantFrom(
      '',
      '1',
      'ä',
      '"',
      '""',
      "'",
      "''",
      "'a,b'",
      '"a;b"',
      '#',
      '"#\n#"',
      "'\n#'",
      '"\r"',
      ' ',
    );
    const line = fc.array(cell, { minLength: 1, maxLength: 4 });
    const dialects: fc.Arbitrary<Dialect> = fc.record(
      {
        delimiter: fc.constantFrom(',', ';'),
        quote: fc.constantFrom('"', "'", 'none'),
        comments: fc.constantFrom('#', '##'),
      },
      { requiredKeys: ['delimiter'] },
    );
    await fc.assert(
      fc.asyncProperty(
        dialects,
        fc.array(fc.tuple(line, fc.constantFrom('\n', '\n', '\r\n', '\r')), { maxLength: 12 }),
        fc.integer({ min: 1, max: 60 }),
        async (dialect, lines, chunkBytes) => {
          const bytes = Buffer.from(`1,2${lines.map(([cells, end]) => end + cells.join(dialect.delimiter)).join('')}`);
          const path = scratchFile('data.csv', bytes);
          const columns = ['a', 'b', 'c'];
          const expected = parseCells(bytes, 1, dialect);
          const wide = expected.rows.map((cells) => [...cells, '', ''].slice(0, 3));
          const rows: unknown[] = [];
          const isPadded = { ...dialect, header: false, columns: columns.slice(0, expected.rows[0]?.length ?? 1) };
          const csv = await openCsv(path, isPadded, [], chunkBytes).catch(() => undefined);
          if (csv === undefined) {
            expect(expected.error).toBeDefined();
            return;
          }
          try {
            for await (const { lines: found } of readLines(csv, dialect.delimiter))
              for (const { cells, expected: wanted } of found) {
                if (wanted !== undefined) throw new Error(wanted);
                rows.push(cells);
              }
          } catch {
            expect(expected.error).toBeDefined();
            return;
          }
          expect(expected.error).toBeUndefined();
          expect((rows as string[][]).map((cells) => [...cells, '', ''].slice(0, 3))).toEqual(wide);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('reads what Python writes', async (test) => {
    needsPython(test, 'csv');
    const random = fc.sample(
      fc.record({
        delimiter: fc.constantFrom(',', ';', '\t', '|'),
        quote: fc.constantFrom('"', "'", 'none'),
        rows: fc.array(
          fc.tuple(
            ...(['', ''].map(() =>
              fc.string({ unit: fc.constantFrom('a', '1', ' ', '"', "'", ',', ';', '\n', '#', 'ü'), maxLength: 6 }),
            ) as [fc.Arbitrary<string>, fc.Arbitrary<string>]),
          ),
          { minLength: 1, maxLength: 6 },
        ),
      }),
      60,
    );
    const script = `import csv, json, sys, io
written = []
for case in json.load(sys.stdin if len(sys.argv) < 2 else open(sys.argv[1])):
    quoting = csv.QUOTE_NONE if case['quote'] == 'none' else csv.QUOTE_MINIMAL
    out = io.StringIO()
    quote = None if case['quote'] == 'none' else case['quote']
    try:
        writer = csv.writer(out, delimiter=case['delimiter'], quotechar=quote, quoting=quoting, lineterminator='\\n')
        writer.writerow(['a', 'b']); writer.writerows(case['rows'])
        text = out.getvalue()
        lines = io.StringIO(text, newline='')
        read = csv.reader(lines, delimiter=case['delimiter'], quotechar=quote, quoting=quoting)
        written.append([text, list(read)[1:]])
    except csv.Error:
        written.append(None)
print(json.dumps(written))`;
    const cases = JSON.parse(python('.', script, [scratchFile('cases.json', JSON.stringify(random))])) as (
      [string, string[][]] | null
    )[];
    const written = cases.flatMap((each, i) =>
      each === null ? [] : [{ text: each[0], rows: each[1], dialect: random[i]! }],
    );
    expect(written.length).toBeGreaterThan(20);
    for (const {
      text,
      rows,
      dialect: { delimiter, quote },
    } of written)
      expect(await read(text, { delimiter, quote })).toEqual(rows.filter((row) => row.length > 0));
  });
});

describe('text options', () => {
  const config = (data: string): string =>
    `data: { train: t.csv, ${data} }\nfeatures: { f: { type: categorical, fields: [item] } }\n` +
    'tasks: { ctr: { label: click } }\nmodel: { name: shared-bottom }\n';

  it('read column names from a file into the config', () => {
    const names = scratchFile('names.txt', '\ufeffclick\r\nitem\r\n205\r\n');
    expect(parseConfig(config(`header: false, columns: ${JSON.stringify(names)}`), 'c.yaml').data).toMatchObject({
      header: false,
      columns: ['click', 'item', '205'],
    });
    expect(parseConfig(config('header: false, columns: [click, item, 205]'), 'c.yaml').data.columns).toEqual([
      'click',
      'item',
      '205',
    ]);
  });

  it.each([
    ['quote: "x"', /data\.quote: expected one character around values/],
    ['quote: ";", delimiter: ";"', /data\.quote: ';' is also the delimiter; use another character/],
    ['comments: "\\""', /data\.comments: (expected )?a prefix of one to four characters for comment lines/],
    [
      'comments: ";;", delimiter: ";"',
      /data\.comments: ';;' also begins with the delimiter; use a prefix that no row starts with/,
    ],
    ['header: false', /data\.header: header: false requires column names; set data\.columns/],
    ['columns: [a, b]', /data\.columns: applies only to a file without column names; add header: false/],
    ['header: false, columns: [a, b, a]', /data\.columns\.2: 'a' is listed twice; remove one/],
    [
      'header: false, columns: nowhere.txt',
      /nowhere\.txt: data\.columns: cannot be read \(ENOENT\); expected a file with one name per line/,
    ],
    ['encoding: cp1252', /data\.encoding: expected .*windows-1252/],
    ['thousands: "."', /data\.thousands: unknown key/],
    ['decimal: "\'"', /data\.decimal: expected/],
  ])('reject %s', (data, message) => {
    expect(() => parseConfig(config(data), 'c.yaml')).toThrow(message);
  });

  it.each([
    ['click', 'click', /names\.txt: data\.columns: 'click' is listed twice, again in line 2/],
    ['click', '', /names\.txt: data\.columns: line 2 is empty/],
  ])('reject a file of names with %j and %j', (first, second, message) => {
    const names = scratchFile('names.txt', `${first}\n${second}\nitem\n`);
    expect(() => parseConfig(config(`header: false, columns: ${JSON.stringify(names)}`), 'c.yaml')).toThrow(message);
  });
});
