import { column } from '../../src/core/batch.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { parseConfig } from '../../src/config/load.js';
import { rowsOfColumns, type Columns } from '../../src/data/objects/given-rows.js';
import { ObjectReader } from '../../src/data/objects/object-reader.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { encodedFormat, createRowFormat, toRecipe, type RowFormat } from '../../src/data/rows/row-format.js';
import type { DialectOptions } from '../../src/data/dialect.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { dataColumns } from '../../src/data/rows/row-format.js';
import { CELL_SEPARATOR } from '../../src/features/feature.js';
import { encodedFields, featureTypes, createFields, type FeatureSpec } from '../../src/features/feature-types.js';
import { cleanFit } from '../../src/features/clean-field.js';
import type { CellOptions } from '../../src/features/cells.js';
import { taskOptions } from '../../src/core/tasks.js';
import { readBags } from '../support/read-cells.js';
import { scratchFolder } from '../support/scratch.js';

const parsed = (spec: object): FeatureSpec => featureTypes.schema.parse(spec);

/** The numbers that the cells of the fields of a group become, fitted on cells. */
function encoded(spec: object, cells: CellOptions, train: readonly string[], texts: readonly string[]): number[] {
  const [field] = createFields([parsed({ fields: ['f'], ...spec })], cells);
  const fit = field!.startFit?.();
  const cleaned = fit && cleanFit(fit, field!);
  for (const text of train) {
    cleaned?.check(text);
    cleaned?.observe(text);
  }
  const [{ encode }] = encodedFields([field!], fit === undefined ? {} : { f: fit.finish() }) as [
    ReturnType<typeof encodedFields>[number],
  ];
  return texts.map(encode);
}

describe('null values', () => {
  it('are out of vocabulary for ids and tokens, and are not fitted', () => {
    expect(
      encoded(
        { type: 'categorical', fillMissing: 'unknown' },
        { nullValues: ['?', 99] },
        ['1', '99', '2', '?'],
        ['1', '2', '99', '?'],
      ),
    ).toEqual([1, 2, 0, 0]);
    expect(() => encoded({ type: 'categorical' }, { nullValues: ['?'] }, ['1'], ['?'])).toThrow(
      expect.objectContaining({ cure: expect.stringContaining('fillMissing: unknown') as unknown }),
    );
    expect(
      encoded(
        { type: 'categorical', encoding: 'tokens' },
        { nullValues: ['?', 'NA'] },
        ['?', '?', 'NA', 'a', 'NAN'],
        ['a', 'NAN', '?', 'NA', 'NAN '],
      ),
    ).toEqual([2, 1, 0, 0, 0]);
  });

  it('are filled like missing numbers', () => {
    expect(
      encoded(
        { type: 'numeric', fillMissing: 'mean' },
        { nullValues: ['?', -1] },
        ['2', '-1', '?', '4', '-1.0'],
        ['?', '-1', '-1.00', '1'],
      ),
    ).toEqual([3, 3, 3, 1]);
    expect(encoded({ type: 'bucketized', boundaries: [0] }, { nullValues: [-1] }, [], ['-1', '-2', '5'])).toEqual([
      0, 1, 2,
    ]);
  });

  it('match strings exactly, and numbers numerically', () => {
    const of = (blank: (string | number)[]) =>
      encoded(
        { type: 'categorical', encoding: { name: 'hash', buckets: 1000 } },
        { nullValues: blank },
        [],
        ['-1', '-1.0', 'x'],
      ).map((id) => id === 0);
    expect(of(['-1'])).toEqual([true, false, false]);
    expect(of([-1])).toEqual([true, true, false]);
    expect(of(['X'])).toEqual([false, false, false]);
  });

  it('make a cross out of vocabulary', () => {
    const cross = { type: 'cross', fields: [['a', 'b']], buckets: 50 };
    const [field] = createFields([parsed(cross)], { nullValues: ['?'], trim: true });
    const [{ encode }] = encodedFields([field!], {}) as [ReturnType<typeof encodedFields>[number]];
    expect(encode(`x${CELL_SEPARATOR}?`)).toBe(0);
    expect(encode(` x${CELL_SEPARATOR}y `)).toBe(encode(`x${CELL_SEPARATOR}y`));
    expect(encode(`x${CELL_SEPARATOR}y`)).toBeGreaterThan(0);
  });

  it('of all columns, a group and a field are combined', () => {
    const group = { type: 'numeric', fillMissing: 0, nullValues: ['-'], fields: ['a', { name: 'b', nullValues: [9] }] };
    const [a, b] = encodedFields(createFields([parsed(group)], { nullValues: ['?'] }), {});
    expect(['?', '-'].map((text) => [a!.encode(text), b!.encode(text)])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect([a!.encode('9'), b!.encode('9')]).toEqual([9, 0]);
  });

  it('that YAML does not read as strings are rejected with a fix', () => {
    const config = (blank: string): string =>
      `data: { train: t.csv, nullValues: ${blank} }\nfeatures: { f: { type: categorical, fields: [f] } }\n` +
      'tasks: { ctr: { label: click } }\nmodel: { name: mmoe }\n';
    expect(() => parseConfig(config('[NA, null]'), 'c.yaml')).toThrow(
      /c\.yaml:1:\d+: data\.nullValues\.1: null is not a string in YAML; quote it, as 'null'/,
    );
    expect(parseConfig(config("['?', NA, -1]"), 'c.yaml').data.nullValues).toEqual(['?', 'NA', -1]);
  });
});

describe('whitespace around values', () => {
  it('is stripped if configured, also of bag items', () => {
    expect(encoded({ type: 'categorical' }, { trim: true }, [' 3'], ['3 ', '\t1'])).toEqual([3, 1]);
    expect(() => encoded({ type: 'categorical', trim: false }, { trim: true }, [' 3'], [])).toThrow(/an integer id/);
    const [bag] = createFields([parsed({ type: 'bag', fields: ['f'], separators: { items: ',' } })], {
      trim: true,
      nullValues: ['?'],
    });
    const [encodedBag] = encodedFields([bag!], { f: { size: 9 } });
    expect(readBags(encodedBag!, [' 4, 5:2 ,?, ? :3', '?', '  '])).toEqual([
      [
        [4, 1],
        [5, 2],
      ],
      [],
      [],
    ]);
  });
});

describe('a file with null values', () => {
  const rows = [
    { click: '1', user: '7', city: ' NY', price: '-1', seen: '3|?' },
    { click: '0', user: '?', city: 'LA', price: '5', seen: '?' },
    { click: ' 0', user: '2 ', city: '?', price: '?', seen: '3' },
    { click: '1', user: '99', city: 'NY', price: ' 7.5', seen: '' },
  ];
  const groups = [
    parsed({ type: 'categorical', fields: ['user'], fillMissing: 'unknown', nullValues: [99] }),
    parsed({ type: 'categorical', fields: ['city'], encoding: 'tokens' }),
    parsed({ type: 'numeric', fields: ['price'], fillMissing: 'mean', indicator: true }),
    parsed({ type: 'bag', fields: ['seen'] }),
  ];
  const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
  const cells: CellOptions = { nullValues: ['?', -1], trim: true };
  const format = createRowFormat({ tasks, groups, cells });
  const expected = {
    user: [7, 0, 2, 0],
    city: [1, 2, 0, 1],
    price: [6.25, 5, 6.25, 7.5],
    price_missing: [1, 0, 1, 0],
    seen: [[3], [], [3], []],
    click: [1, 0, 0, 1],
  };

  const read = async (path: string, of: RowFormat, dialect: DialectOptions = {}) => {
    const source = await openSource(path, dataColumns(of), dialect);
    const reading = { policy: refuseBadRows, cache: { folder: join(scratchFolder(), 'cache') } };
    const ready = encodedFormat(of, await source.fit(of, reading));
    const dataset = await source.dataset(ready, reading);
    for await (const { batch } of dataset.batches(100)) {
      const seen = column(batch, 'seen', 'list');
      const found = {
        user: [...column(batch, 'user', 'u32').data],
        city: [...column(batch, 'city', 'u32').data],
        price: [...column(batch, 'price', 'f32').data],
        price_missing: [...column(batch, 'price_missing', 'f32').data],
        seen: [...Array(batch.rows).keys()].map((row) => [
          ...seen.ids.subarray(seen.offsets[row], seen.offsets[row + 1]),
        ]),
        click: [...column(batch, 'click', 'f32').data],
      };
      return { found, ready };
    }
    throw new Error('no rows');
  };
  const csv = (quote: (cell: string) => string): string =>
    [
      'click,user,city,price,seen',
      ...rows.map((row) => [row.click, row.user, row.city, row.price, row.seen].map(quote).join(',')),
      '',
    ].join('\n');

  it.each([
    ['bare', (cell: string) => cell],
    ['quoted', (cell: string) => `"${cell}"`],
  ])('reads %s values like missing ones', async (_, quote) => {
    const path = join(scratchFolder(), 'rows.csv');
    writeFileSync(path, csv(quote));
    expect((await read(path, format)).found).toEqual(expected);
  });

  it('reads the same numbers with a decimal comma', async () => {
    const path = join(scratchFolder(), 'rows.csv');
    writeFileSync(
      path,
      csv((cell) => cell)
        .replaceAll(',', ';')
        .replace('7.5', '7,5')
        .replace(';-1;', ';-1,0;')
        .replace('; 7,5', ';7,5'),
    );
    expect((await read(path, format, { delimiter: ';', decimal: ',' })).found).toEqual(expected);
  });

  it('reads the same from Parquet, including its numbers', async () => {
    const path = join(scratchFolder(), 'rows.parquet');
    const text = (name: 'user' | 'city' | 'seen') => ({
      name,
      data: rows.map((row) => row[name]),
      type: 'STRING' as const,
    });
    writeFileSync(
      path,
      Buffer.from(
        parquetWriteBuffer({
          columnData: [
            { name: 'click', data: [1, 0, 0, 1], type: 'INT32' },
            text('user'),
            text('city'),
            { name: 'price', data: [-1, 5, null, 7.5], type: 'DOUBLE' },
            text('seen'),
          ],
        }),
      ),
    );
    expect((await read(path, format)).found).toEqual(expected);
  });

  it('reads the same values from a program', async () => {
    const path = join(scratchFolder(), 'rows.csv');
    writeFileSync(
      path,
      csv((cell) => cell),
    );
    const { ready } = await read(path, format);
    const given: Columns = {
      user: [7, '?', '2 ', 99],
      city: [' NY', 'LA', null, 'NY'],
      price: [-1, 5, undefined, 7.5],
      seen: [['3', '?'], null, [3], ''],
    };
    const { batches, problems } = new ObjectReader(ready.fields).read(rowsOfColumns(given));
    const { batch } = [...batches][0]!;
    expect(problems.list()).toEqual([]);
    expect([...column(batch, 'user', 'u32').data.subarray(0, 4)]).toEqual(expected.user);
    expect([...column(batch, 'price', 'f32').data.subarray(0, 4)]).toEqual(expected.price);
    expect([...column(batch, 'seen', 'list').offsets.subarray(0, 5)]).toEqual([0, 1, 1, 2, 2]);
  });

  it('has another cache key', () => {
    const plain = createRowFormat({ tasks, groups });
    expect(toRecipe(format)).not.toEqual(toRecipe(plain));
  });

  it('is rejected if a label is a null value', async () => {
    const path = join(scratchFolder(), 'rows.csv');
    writeFileSync(path, csv((cell) => cell).replace('\n1,7', '\n-1,7'));
    await expect(read(path, format)).rejects.toThrow(/rows\.csv:2: column "click": expected 0 or 1/);
  });
});
