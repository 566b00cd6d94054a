import { mapsOf } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { taskOptions } from '../../src/core/tasks.js';
import type { Batch } from '../../src/core/batch.js';
import { refuseBadRows, type BadRow, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes, type Fitted } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';
import { growFitted } from '../../src/features/grow-fitted.js';
import { scratchFile } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];

/** Items of a row: ids with weights. */
type Row = readonly (readonly [id: number, weight: number])[];

/** What is read from a file. */
interface ReadData {
  readonly fitted: unknown;
  readonly raw: Fitted;
  /** Items per row, by field. */
  readonly items: Readonly<Record<string, readonly Row[]>>;
  readonly rejects: readonly BadRow[];
}

function formatOf(groups: readonly object[], cells: object = {}) {
  return createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)), cells });
}

/** Fits groups on a file and reads it. */
async function read(groups: readonly object[], file: string, cells: object = {}): Promise<ReadData> {
  const format = formatOf(groups, cells);
  const rejects: BadRow[] = [];
  // A row may be reported by each pass over the file.
  const skip: RejectPolicy = {
    count: 0,
    reject(row) {
      if (!rejects.some(({ line }) => line === row.line)) rejects.push(row);
    },
  };
  const source = await openSource(file, dataColumns(format), file.endsWith('.csv') ? { delimiter: ';' } : {});
  const raw = await source.fit(format, { policy: skip });
  const dataset = await source.dataset(encodedFormat(format, raw), { policy: skip });
  const items: Record<string, Row[]> = {};
  for await (const { batch } of dataset.batches(100)) collect(batch, items);
  await dataset.close();
  return { fitted: storedFitted(raw).json, raw, items, rejects };
}

function collect(batch: Batch, into: Record<string, Row[]>): void {
  const { rows, bags } = mapsOf(batch);
  for (const [field, { offsets, ids, weights }] of bags)
    for (let row = 0; row < rows; row++) {
      const at = Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, i) => offsets[row]! + i);
      (into[field] ??= []).push(at.map((i) => [ids[i]!, weights[i]!] as const));
    }
}

/** Writes rows of columns without their labels. */
const csv = (header: string, rows: readonly string[]): string =>
  scratchFile('log.csv', [`click;${header}`, ...rows.map((row, r) => `${r % 2};${row}`)].join('\n') + '\n');

const ids = (rows: readonly Row[] | undefined): number[][] => rows!.map((row) => row.map(([id]) => id));
const weights = (rows: readonly Row[] | undefined): number[][] => rows!.map((row) => row.map(([, weight]) => weight));

const sequence = (options: object): object => ({ type: 'sequence', name: 's', encoder: 'pooling', ...options });
const city = { type: 'categorical', fields: ['city'], encoding: 'tokens' };

describe('the items of a sequence', () => {
  it('are aligned by name, whatever the order of fields and columns', async () => {
    const file = csv('b;a', ['x|y|z;1|2|3', ';', 'z;9']);
    const { items } = await read([sequence({ fields: ['a', { name: 'b', encoding: 'tokens' }] })], file);
    const texts = ['', 'z', 'x', 'y'];
    expect(ids(items['s.a'])).toEqual([[1, 2, 3], [], [9]]);
    expect(ids(items['s.b']).map((row) => row.map((id) => texts[id]))).toEqual([['x', 'y', 'z'], [], ['z']]);
    expect(weights(items['s.a']).flat()).toEqual([1, 1, 1, 1]);
  });

  it('are the newest ones, newest last', async () => {
    const file = csv('a', ['1|2|3|4', '5', '']);
    const newest = async (options: object): Promise<number[][]> =>
      ids((await read([sequence({ fields: ['a'], ...options })], file)).items['s.a']);
    expect(await newest({})).toEqual([[1, 2, 3, 4], [5], []]);
    expect(await newest({ keep: { last: 2 } })).toEqual([[3, 4], [5], []]);
    expect(await newest({ keep: { last: 2 }, order: { newest: 'first' } })).toEqual([[2, 1], [5], []]);
    expect(await newest({ order: { newest: 'first' } })).toEqual([[4, 3, 2, 1], [5], []]);
  });

  it('are sorted by their times, in their order if these are equal', async () => {
    const file = csv('a;at', ['1|2|3|4;7|5|7|5', '1|2;2026-11-02|2026-11-01T23:00:00Z']);
    const fields = ['a', { name: 'at', scaling: 'none' }];
    const timed = { ...sequence({ fields, order: { by: 'at' } }) };
    // A time in ISO 8601 is no number.
    const { items, rejects } = await read([timed], file);
    expect(ids(items['s.a'])).toEqual([[2, 4, 1, 3]]);
    expect(rejects).toMatchObject([{ line: 3, column: 'at', expected: 'a decimal number in every item' }]);
    const until = { name: 'at', as: 'age', until: 'now', buckets: 'log' };
    const dated = csv('a;at;now', ['1|2|3;2026-11-02|2026-11-01T23:00:00Z|1793577600;2026-11-03']);
    const ages = await read([sequence({ fields: ['a', until], order: { by: 'at' } })], dated);
    // 1793577600 is 2026-11-02 00:00 in UTC.
    expect(ids(ages.items['s.a'])).toEqual([[2, 1, 3]]);
    // Ages of 90,000 and 86,400 s are from 2^16 - 1 on.
    expect(ids(ages.items['s.at'])).toEqual([[17, 17, 17]]);
  });

  it('end before the time of the row, and have ages', async () => {
    const file = csv('at;now', ['10|4|9|11|7;10', '9|9|10;10', ';10', '3.5;4']);
    const age = { name: 'at', as: 'age', until: 'now' };
    const number = await read([sequence({ fields: [{ ...age, scaling: 'none' }] })], file);
    expect(weights(number.items['s.at'])).toEqual([[6, 1, 3], [1, 1], [], [0.5]]);
    expect(ids(number.items['s.at']).flat()).toEqual([0, 0, 0, 0, 0, 0]);
    const logarithm = await read([sequence({ fields: [age] })], file);
    expect(weights(logarithm.items['s.at'])).toEqual(
      [[6, 1, 3], [1, 1], [], [0.5]].map((row) => row.map((each) => Math.fround(Math.log1p(each)))),
    );
    const buckets = await read([sequence({ fields: [{ ...age, buckets: 'log' }] })], file);
    expect(ids(buckets.items['s.at'])).toEqual([[3, 2, 3], [2, 2], [], [1]]);
    // Dropped before the newest are kept.
    const kept = await read([sequence({ fields: [{ ...age, scaling: 'none' }], keep: { last: 2 } })], file);
    expect(weights(kept.items['s.at'])).toEqual([[1, 3], [1, 1], [], [0.5]]);
  });

  it('have log buckets that begin at the powers of two minus 1', async () => {
    const ages = [0.5, 0.999, 1, 2.999, 3, 6.5, 7, 2 ** 40 - 2, 2 ** 40 - 1, 2 ** 50 - 2, 2 ** 50 - 1];
    // The oracle doubles instead of taking a logarithm.
    const bucketOf = (value: number): number => {
      let bucket = 1;
      for (let end = 1; value >= end; end = 2 * end + 1) bucket++;
      return bucket;
    };
    const file = csv('at;now', [`${ages.map((each) => -each).join('|')};0`]);
    const { items } = await read(
      [sequence({ fields: [{ name: 'at', as: 'age', until: 'now', buckets: 'log' }] })],
      file,
    );
    expect(ids(items['s.at'])).toEqual([ages.map(bucketOf)]);
    expect(ages.map(bucketOf)).toEqual([1, 1, 2, 2, 3, 3, 4, 40, 41, 50, 51]);
  });

  it('are the heaviest ones if they have weights, first of equals, in their order', async () => {
    const file = csv('a', ['1:2|2|3:0.5|4:2|5', '6', '']);
    const heaviest = async (options: object): Promise<readonly Row[]> =>
      (await read([sequence({ fields: ['a'], aligned: false, ...options })], file)).items['s.a']!;
    const others: Row[] = [[[6, 1]], []];
    const three: Row[] = [
      [
        [1, 2],
        [2, 1],
        [4, 2],
      ],
      ...others,
    ];
    const four: Row[] = [
      [
        [1, 2],
        [2, 1],
        [4, 2],
        [5, 1],
      ],
      ...others,
    ];
    expect(await heaviest({ keep: { heaviest: 3 } })).toEqual(three);
    expect(await heaviest({ keep: { heaviest: 4 } })).toEqual(four);
    expect(ids(await heaviest({ keep: { heaviest: 2 }, order: { newest: 'first' } }))).toEqual([[4, 1], [6], []]);
    expect(await heaviest({ keep: { last: 2 } })).toEqual([
      [
        [4, 2],
        [5, 1],
      ],
      [[6, 1]],
      [],
    ]);
  });

  it('are the newest ones that equal the candidate as text, before they are counted', async () => {
    const fields = ['a', { name: 'cate', target: 'city' }];
    const matching = sequence({ fields, keep: { last: 2, matching: 'cate' } });
    const rows = [
      // The newest two of three matches.
      'x;1|2|3|4|5;x|y|x|x|y',
      // Values that the training set does not have after others do not equal each other.
      'q;1|2|3;r|q|s',
      // A missing value equals nothing, not even a missing item.
      ';1|2|3;x||y',
      'x;1|2|3;y||z',
      'x;;',
    ];
    const { items, rejects } = await read([matching, city], csv('city;a;cate', rows));
    expect(rejects).toEqual([]);
    expect(ids(items['s.a'])).toEqual([[3, 4], [2], [], [], []]);
    expect(items['s.cate']!.map((row) => row.length)).toEqual([2, 1, 0, 0, 0]);
  });

  it('match the candidate in JSON, in the order of their times, before the time of the row', async () => {
    const fields = ['a', { name: 'cate', target: 'city' }, { name: 'at', as: 'age', until: 'now', scaling: 'none' }];
    const matching = sequence({ fields, order: { by: 'at' }, keep: { last: 2, matching: 'cate' } });
    const lines = [
      { click: 1, city: 7, a: [1, 2, 3, 4, 5], cate: [7, '7', 8, 7, 7], at: [4, 2, 1, 3, 9], now: 9 },
      { click: 0, city: 'ü', a: [1, 2], cate: ['ü', 'u'], at: [1, 2], now: 9 },
      { click: 0, city: null, a: [1, 2], cate: ['ü', null], at: [1, 2], now: 9 },
    ];
    const file = scratchFile('log.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const { items, rejects } = await read([matching, city], file);
    expect(rejects).toEqual([]);
    // The last two of items 2, 4 and 1 in the order of time; item 5 is as late as the row.
    expect(ids(items['s.a'])).toEqual([[4, 1], [1], []]);
    expect(weights(items['s.at'])).toEqual([[6, 5], [8], []]);
  });

  it('match the candidate after both are cleaned', async () => {
    const cells = { nullValues: ['?'], trim: true };
    const fields = [{ name: 'cate', target: 'city' }];
    const groups = [sequence({ fields, keep: { last: 5, matching: 'cate' }, ...cells }), { ...city, ...cells }];
    const { items } = await read(groups, csv('city;cate', [' x ;x| x|y', '?;?|x', 'y;x|y']));
    expect(items['s.cate']!.map((row) => row.length)).toEqual([2, 0, 1]);
  });

  it('are out of vocabulary if they are missing, and keep their place', async () => {
    const options = { nullValues: ['?'], trim: true };
    const fields = [
      { name: 'a', encoding: 'ids' },
      { name: 'b', encoding: 'tokens' },
      { name: 'c', encoding: { name: 'hash', buckets: 50 } },
      { name: 'd', encoding: 'auto' },
    ];
    const file = csv('a;b;c;d', ['1||3;?|x|y; x |?|x;1|2|', '[7,null];"[""x"",null]";"[null,""x""]";[null,2]']);
    const { items, fitted, rejects } = await read([sequence({ fields, ...options })], file);
    expect(rejects).toEqual([]);
    expect(ids(items['s.a'])).toEqual([
      [1, 0, 3],
      [7, 0],
    ]);
    expect(ids(items['s.b'])).toEqual([
      [0, 1, 2],
      [1, 0],
    ]);
    const [x] = ids(items['s.c'])[0]!;
    expect(ids(items['s.c'])).toEqual([
      [x, 0, x],
      [0, x],
    ]);
    expect(x).toBeGreaterThan(0);
    expect(ids(items['s.d'])).toEqual([
      [1, 2, 0],
      [0, 2],
    ]);
    expect(fitted).toMatchObject({ 's.b': { vocabulary: ['x', 'y'] }, 's.d': { size: 3 } });
  });

  it('are JSON numbers as well as text', async () => {
    const fields = ['a', { name: 'p', scaling: 'none' }];
    const lines = ['{"click":1,"a":[1,2],"p":[0.5,1e2]}', '{"click":0,"a":"3|4","p":"[-1.25, 0]"}'].join('\n');
    const { items, rejects } = await read([sequence({ fields })], scratchFile('log.jsonl', `${lines}\n`));
    expect(rejects).toEqual([]);
    expect(ids(items['s.a'])).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(weights(items['s.p'])).toEqual([
      [0.5, 100],
      [-1.25, 0],
    ]);
  });
});

describe('the fit of a sequence', () => {
  it('observes the selected items of valid rows alone', async () => {
    const fields = [
      { name: 'a', encoding: 'tokens' },
      { name: 'p', scaling: 'standard' },
      { name: 'at', as: 'age', until: 'now', scaling: 'min-max' },
    ];
    // Items that are too old, or too new, or of an invalid row.
    const file = csv('a;p;at;now', ['old|x|y|new;100|1|3|100;1|2|3|9;9', 'bad|bad;7|oops;1|2;9', 'x;5;8;9']);
    const { fitted, rejects, items } = await read([sequence({ fields, keep: { last: 2 } })], file);
    expect(rejects.map(({ line }) => line)).toEqual([3]);
    const deviation = Math.sqrt(((1 - 3) ** 2 + (3 - 3) ** 2 + (5 - 3) ** 2) / 3);
    expect(fitted).toEqual({
      's.a': { vocabulary: ['x', 'y'] },
      's.p': { mean: 3, deviation: expect.closeTo(deviation, 12) as number },
      's.at': { min: 1, max: 7 },
    });
    expect(weights(items['s.at'])).toEqual([[1, Math.fround(5 / 6)], [0]]);
  });

  it('shares the vocabulary of a target that is defined later, or that itself shares a table', async () => {
    const groups = [
      sequence({ fields: [{ name: 'visited', target: 'home' }] }),
      { type: 'categorical', fields: ['home'], table: 'city', encoding: 'tokens' },
      city,
    ];
    const file = csv('city;home;visited', ['Rome;Oslo;Oslo|Kyiv|Kyiv', 'Rome;Rome;Rome']);
    const { fitted, items } = await read(groups, file);
    expect(fitted).toEqual({ city: { vocabulary: ['Rome', 'Kyiv', 'Oslo'] } });
    expect(ids(items['visited'] ?? items['s.visited'])).toEqual([[3, 2, 2], [1]]);
    const [field] = formatOf(groups).fields;
    expect([field!.owner, field!.width]).toEqual(['city', 16]);
  });

  it('keeps ids when its vocabulary grows', async () => {
    const groups = [sequence({ fields: [{ name: 'a', encoding: 'tokens' }] })];
    const [first, second] = [csv('a', ['x|x|y', 'y|x']), csv('a', ['z|y', 'q'])];
    const [before, now] = [await read(groups, first), await read(groups, second)];
    const { fields } = formatOf(groups);
    const { fitted } = growFitted(fields, before.raw, now.raw, () => true);
    expect(storedFitted(fitted).json).toEqual({ 's.a': { vocabulary: ['x', 'y', 'q', 'z'] } });
  });
});

const UNEQUAL = 'lists of equal length, instead of';

describe('a row of a sequence', () => {
  const fields = [
    'a',
    { name: 'p', scaling: 'log1p' },
    { name: 'at', as: 'age', until: 'now' },
    { name: 'c', encoding: { name: 'ids', sizes: { c: 5 } } },
  ];
  const valid = { a: '1|2', p: '3|4', at: '5|6', c: '1|2', now: '9' };
  it.each<[string, Partial<typeof valid>, Partial<BadRow>]>([
    [
      'lists of other lengths',
      { p: '3|4|5' },
      { column: 'p', expected: `${UNEQUAL} 2 in 'a', 3 in 'p', 2 in 'at', 2 in 'c'`, value: '3|4|5' },
    ],
    [
      'an empty list and a shorter one',
      { p: '', c: '1' },
      { column: 'p, c', expected: `${UNEQUAL} 2 in 'a', 0 in 'p', 2 in 'at', 1 in 'c'`, value: ', 1' },
    ],
    [
      'a weight',
      { a: '[[1, 2], 2]' },
      {
        column: 'a',
        expected: 'items without weights',
        cure: 'remove the weights, or set aligned: false; set pooling: mean if items are lists',
      },
    ],
    ['an invalid id', { a: '1|x' }, { column: 'a', expected: 'an integer id in digits in every item', value: '1|x' }],
    ['an id beyond the size', { c: '5|1' }, { column: 'c', expected: expect.stringContaining('below 5') as string }],
    ['an invalid number', { p: '3|x' }, { column: 'p', expected: 'a decimal number in every item' }],
    [
      'a missing number',
      { p: '3|' },
      {
        column: 'p',
        expected: 'a decimal number in every item',
        cure: 'correct the row; data.onBadRow: skip drops such rows',
      },
    ],
    [
      'a number that the scaling refuses',
      { p: '3|-1' },
      { column: 'p', expected: expect.stringContaining('in every item') as string },
    ],
    ['an invalid time', { at: '5|soon' }, { column: 'at', value: '5|soon' }],
    [
      'a time that is no number',
      { at: '5|x' },
      { column: 'at', expected: 'a time: a number, or a date and time in ISO 8601' },
    ],
    ['a date that does not exist', { at: '5|2026-02-30' }, { column: 'at', expected: 'an existing date and time' }],
    ['a missing time', { at: '5|' }, { column: 'at', expected: 'a time: a number, or a date and time in ISO 8601' }],
    [
      'no time of its own',
      { now: '' },
      { column: 'now', expected: 'a time: a number, or a date and time in ISO 8601', value: '' },
    ],
    ['an invalid time of its own', { now: 'soon' }, { column: 'now', value: 'soon' }],
  ])('is refused for %s, in all fields', async (_, change, expected) => {
    const columns = Object.keys(valid) as (keyof typeof valid)[];
    const rowOf = (row: typeof valid): string => columns.map((name) => row[name]).join(';');
    const rows = [rowOf(valid), rowOf({ ...valid, ...change }), rowOf({ ...valid, a: '7|8' })];
    const { items, rejects } = await read([sequence({ fields })], csv(columns.join(';'), rows));
    expect(rejects).toMatchObject([{ line: 3, ...expected }]);
    expect(ids(items['s.a'])).toEqual([
      [1, 2],
      [7, 8],
    ]);
    for (const name of ['s.p', 's.at', 's.c']) expect(items[name]!.map((row) => row.length)).toEqual([2, 2]);
  });

  it('is refused for a negative weight', async () => {
    const { rejects } = await read([sequence({ fields: ['a'], aligned: false })], csv('a', ['1:2', '2:-1|3', '2:x']));
    expect(rejects).toMatchObject([
      { line: 3, column: 'a', expected: 'nonnegative weights', value: '2:-1|3' },
      { line: 4, column: 'a', expected: expect.stringContaining('id:weight') as string },
    ]);
  });

  it('is an error that names both columns, with the file and line', async () => {
    const format = formatOf([sequence({ fields: ['a', 'b'] })]);
    const file = csv('a;b', ['1|2;1|2', '1|2;1']);
    const source = await openSource(file, dataColumns(format), file.endsWith('.csv') ? { delimiter: ';' } : {});
    await expect(source.fit(format, { policy: refuseBadRows })).rejects.toThrow(
      /log\.csv:3: column "b": expected lists of equal length, instead of 2 in 'a', 1 in 'b', found "1"; .*aligned: false/,
    );
  });
});

const yaml = (fields: string, options = '', more = ''): string => `
data: { train: t.csv }
features:
  place: { type: categorical, fields: [city], encoding: tokens }
  n: { type: numeric, fields: [price] }
  s: { type: sequence, fields: ${fields}, ${options === '' ? '' : `${options}, `}encoder: pooling }
${more}
tasks: { ctr: { label: click } }
model: { name: shared-bottom }
`;

function problemsOf(text: string): string {
  try {
    parseConfig(text, 'c.yaml');
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('the config of a sequence', () => {
  it.each<[string, string, string]>([
    [
      yaml('[a, { name: b, target: citi }]'),
      'c.yaml:6:',
      'expected a field with a table, found "citi"; did you mean \'city\'?',
    ],
    [yaml('[{ name: b, target: price }]'), 'c.yaml:6:', "'price' is a number, which has no table"],
    [yaml('[{ name: b, target: s.a }, a]'), 'c.yaml:6:', "'s.a' has no ids of one column"],
    [yaml('[a]', 'keep: { lst: 5 }'), 'c.yaml:6:', "features.s.keep.lst: unknown key; did you mean 'last'?"],
    [yaml('[a]', 'keep: { last: 5, heaviest: 5 }'), 'c.yaml:6:', 'expected one key; set last or heaviest'],
    [yaml('[a]', 'order: {}'), 'c.yaml:6:', 'expected one key; set newest or by'],
    [yaml('[a]', 'order: { by: at }'), 'c.yaml:6:', "'at' is not in fields; add it there"],
    [yaml('[a, a]'), 'c.yaml:6:', "'s.a' is already a feature, in group 's'; remove one"],
    [yaml('[a, click]'), 'c.yaml:6:', "column 'click' is a label and would leak the answer"],
    [yaml('[a, { name: at, as: age, until: click }]'), 'c.yaml:6:', "column 'click' is a label and would leak"],
    [yaml('[{ name: at, as: age }]'), 'c.yaml:6:', 'requires the time of the row; set until: a column'],
    [yaml('[{ name: at, until: now }]'), 'c.yaml:6:', 'requires the times of the items; set as: age'],
    [yaml('[{ name: p, scaling: none }]', 'aligned: false'), 'c.yaml:6:', 'requires aligned items'],
    [
      yaml('[a]', 'keep: { heaviest: 5 }'),
      'c.yaml:6:',
      'aligned items have no weights; use last, or set aligned: false',
    ],
    [yaml('[a]', 'keep: { last: 5, matching: b }'), 'c.yaml:6:', "'b' is not in fields; add it there with a target"],
    [
      yaml('[a]', 'keep: { last: 5, matching: a }'),
      'c.yaml:6:',
      "features.s.keep.matching: 'a' has no target, which its items must equal; set target: a field",
    ],
    [yaml('[{ name: a, target: city }]', 'keep: { matching: a }'), 'c.yaml:6:', 'expected one key; set last or'],
    [
      yaml('[{ name: a, target: city, pooling: mean }]', 'keep: { last: 5, matching: a }'),
      'c.yaml:6:',
      "features.s.keep.matching: 'a' has several values per item, which equal no candidate; name another field",
    ],
    [
      yaml('[{ name: a, target: city }]', 'aligned: false, keep: { last: 5, matching: a }'),
      'c.yaml:6:',
      'features.s.keep.matching: requires aligned items; remove it, or set aligned: true',
    ],
    [
      yaml('[{ name: a, target: city }]', 'keep: { last: 5, matching: a }, trim: true'),
      'c.yaml:6:',
      "must clean items like 'city', which they must equal; set the same nullValues and trim",
    ],
    [
      yaml(
        '[{ name: a, target: age_bucketized }]',
        'keep: { last: 5, matching: a }',
        '  b: { type: bucketized, fields: [age], quantiles: 3 }',
      ),
      'c.yaml:6:',
      "'age_bucketized' is no value of a column, which items must equal; name a categorical field of one",
    ],
    [yaml('[a]', 'aligned: false, order: { by: a }'), 'c.yaml:6:', 'requires aligned items'],
    [yaml('[{ name: a, encoding: { name: ids, sizes: { b: 3 } } }]'), 'c.yaml:6:', "expected the column, 'a'"],
    [yaml('[{ name: a, target: city, width: 4 }]'), 'c.yaml:6:', "is that of 'city'; remove it"],
    [yaml('[{ name: a, target: city, scaling: none }]'), 'c.yaml:6:', 'applies to ids, not to numbers'],
    [yaml('[a]', 'name: city'), 'c.yaml:6:', "its name 'city' is that of a field or sequence of group 'place'"],
    [
      yaml('[a]', '', '  t: { type: sequence, name: s, fields: [b], encoder: pooling }'),
      'c.yaml:7:',
      "its name 's' is that of a field or sequence of group 's'",
    ],
  ])('is refused with its place and the fix:\n%s', (text, place, message) => {
    const found = problemsOf(text);
    expect(found).toContain(place);
    expect(found).toContain(message);
    // One problem is one message.
    expect(found.split(message)).toHaveLength(2);
  });

  it('is valid with targets, times and weights', () => {
    const found = problemsOf(
      yaml('[{ name: a, target: city }, { name: at, as: age, until: now }]', 'order: { by: at }, keep: { last: 3 }'),
    );
    expect(found).toBe('');
  });
});
