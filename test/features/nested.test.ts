import { mapsOf } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { taskOptions } from '../../src/core/tasks.js';
import type { BadRow, RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { storedFitted } from '../../src/features/fitted.js';
import { scratchFile } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];

/** Rows of a file: by field, the values of each item as ids; other fields have one value per item. */
interface ReadRows {
  readonly vocabularies: Readonly<Record<string, { readonly vocabulary: readonly string[] }>>;
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly counts: Readonly<Record<string, readonly (readonly number[])[]>>;
  readonly rejects: readonly BadRow[];
}

/** Fits groups on a file and reads it. */
async function read(groups: readonly object[], file: string, cells: object = {}): Promise<ReadRows> {
  const format = createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)), cells });
  const rejects: BadRow[] = [];
  const policy: RejectPolicy = {
    count: 0,
    reject(row) {
      if (!rejects.some(({ line }) => line === row.line)) rejects.push(row);
    },
  };
  const source = await openSource(
    file,
    dataColumns(format),
    file.endsWith('.csv') ? { delimiter: '\t', quote: 'none' } : {},
  );
  const fitted = await source.fit(format, { policy });
  const dataset = await source.dataset(encodedFormat(format, fitted), { policy });
  const [ids, counts]: Record<string, number[][]>[] = [{}, {}];
  for await (const { batch } of dataset.batches(100)) collect(batch, ids!, counts!);
  await dataset.close();
  return { vocabularies: storedFitted(fitted).json as ReadRows['vocabularies'], ids: ids!, counts: counts!, rejects };
}

function collect(batch: Batch, ids: Record<string, number[][]>, counts: Record<string, number[][]>): void {
  const { rows, bags } = mapsOf(batch);
  for (const [field, bag] of bags)
    for (let row = 0; row < rows; row++) {
      const [begin, end] = [bag.offsets[row]!, bag.offsets[row + 1]!];
      (ids[field] ??= []).push([...bag.ids.subarray(begin, end)]);
      (counts[field] ??= []).push([...bag.weights.subarray(begin, end)]);
    }
}

/** Returns the values of each item by row, as texts of the vocabulary of `owner`; `?` is out of it. */
function nestedTexts({ ids, counts, vocabularies }: ReadRows, field: string, owner = field): string[][][] {
  const { vocabulary } = vocabularies[owner]!;
  return ids[field]!.map((row, r) => {
    let end = 0;
    const items = counts[`${field}.counts`]![r]!.map((count) => row.slice(end, (end += count)));
    expect(end).toBe(row.length);
    return items.map((item) => item.map((id) => (id === 0 ? '?' : vocabulary[id - 1]!)));
  });
}

const csv = (header: string, rows: readonly string[]): string =>
  scratchFile('log.csv', [`click\t${header}`, ...rows.map((row, r) => `${r % 2}\t${row}`)].join('\n') + '\n');
const jsonl = (rows: readonly object[]): string =>
  scratchFile('log.jsonl', rows.map((row, r) => `${JSON.stringify({ click: r % 2, ...row })}\n`).join(''));

const tags = { name: 't', pooling: 'mean', encoding: 'tokens' };
const sequence = (options: object): object => ({ type: 'sequence', name: 's', encoder: 'pooling', ...options });

describe('items of a sequence that are lists', () => {
  it('have any number of values, also none, in text', async () => {
    const rows = await read([sequence({ fields: [tags] })], csv('t', ['a;b||c|b;b;a', '', 'c', '|']));
    expect(nestedTexts(rows, 's.t')).toEqual([[['a', 'b'], [], ['c'], ['b', 'b', 'a']], [], [['c']], [[], []]]);
    expect(rows.rejects).toEqual([]);
  });

  it('are the same in JSON, where null has no values and one item without values is possible', async () => {
    const rows = await read(
      [sequence({ fields: [tags] })],
      jsonl([{ t: [['a;b', 'x|y'], [], null, ['"]', 'a;b']] }, { t: [] }, { t: [[]] }, { t: null }, { t: [[7, 8.5]] }]),
    );
    expect(rows.rejects).toMatchObject([
      { line: 5, column: 't', expected: expect.stringContaining('plain digits') as string },
    ]);
    expect(nestedTexts(rows, 's.t')).toEqual([[['a;b', 'x|y'], [], [], ['"]', 'a;b']], [], [[]], []]);
  });

  it('are the same as JSON in a text, whatever other rows have', async () => {
    const rows = await read(
      [sequence({ fields: [tags] })],
      csv('t', ['[["a","b"],[],["c"]]', 'a;b||c', '[]', '[[]]', '["a"]']),
    );
    expect(rows.rejects).toMatchObject([
      { line: 6, column: 't', expected: 'a list of lists, such as [["a", "b"], [], ["c"]]' },
    ]);
    expect(nestedTexts(rows, 's.t')).toEqual([[['a', 'b'], [], ['c']], [['a', 'b'], [], ['c']], [], [[]]]);
  });

  it('keep ids in digits exactly', async () => {
    const big = '{"click":1,"t":[[9007199254740993,1]]}\n{"click":0,"t":[[1,2],[3]]}\n';
    const rows = await read([sequence({ fields: [{ ...tags, encoding: 'ids' }] })], scratchFile('big.jsonl', big));
    expect(rows.rejects).toMatchObject([{ line: 1, column: 't', cure: 'quote such ids' }]);
    expect(rows.ids['s.t']).toEqual([[1, 2, 3]]);
    expect(rows.counts['s.t.counts']).toEqual([[2, 1]]);
  });

  it('are selected and ordered with the other fields', async () => {
    const fields = [{ name: 'a' }, tags, { name: 'at', as: 'age', until: 'now', scaling: 'none' }];
    const file = csv('a\tt\tat\tnow', ['1|2|3|4\tp;q|r||s;t;p\t7|5|9|6\t8', '5\tp\t3\t3', '6|7\tp|q\t2|1\t3']);
    const rows = await read([sequence({ fields, order: { by: 'at' }, keep: { last: 2 } })], file);
    expect(rows.ids['s.a']).toEqual([[4, 1], [], [7, 6]]);
    expect(nestedTexts(rows, 's.t')).toEqual([
      [
        ['s', 't', 'p'],
        ['p', 'q'],
      ],
      [],
      [['q'], ['p']],
    ]);
    const reversed = await read([sequence({ fields: [tags], order: { newest: 'first' }, keep: { last: 3 } })], file);
    expect(nestedTexts(reversed, 's.t')).toEqual([[[], ['r'], ['p', 'q']], [['p']], [['q'], ['p']]]);
  });

  it('share the vocabulary of a bag; other values are out of it, as in bags', async () => {
    const groups = [
      { type: 'bag', fields: ['own'], encoding: { name: 'tokens', minCount: 2 } },
      sequence({ fields: [{ name: 't', target: 'own', pooling: 'sum' }] }),
    ];
    const rows = await read(groups, csv('own\tt', ['a|b\tb;z|a|y', 'a\t']));
    expect(nestedTexts(rows, 's.t', 'own')).toEqual([[['b', '?'], ['a'], ['?']], []]);
  });

  it('drop missing values as bags do, and stay in the list', async () => {
    const cells = { nullValues: ['NA'], trim: true };
    for (const file of [
      csv('t', [' a ; NA| NA |b', 'NA']),
      jsonl([{ t: [[' a ', 'NA'], ['NA'], ['b']] }, { t: null }]),
    ]) {
      const rows = await read([sequence({ fields: [tags] })], file, cells);
      expect(nestedTexts(rows, 's.t')).toEqual([[['a'], [], ['b']], []]);
    }
  });

  it('have separators of their own', async () => {
    const separators = { items: ' ', values: ',' };
    const rows = await read([sequence({ fields: [tags], separators })], csv('t', ['a,b  c;|', 'a']));
    expect(nestedTexts(rows, 's.t')).toEqual([[['a', 'b'], [], ['c;|']], [['a']]]);
  });

  it.each<[string, string, Partial<BadRow>]>([
    [
      'another number of items',
      'a;b|c|\t1|2',
      { column: 'a', expected: "lists of equal length, instead of 3 in 't', 2 in 'a'" },
    ],
    ['a missing value', 'a;|b\t1|2', { column: 't', expected: "an id in every item, with ';' between items" }],
    [
      'a missing value in JSON',
      '[["a", null], []]\t1|2',
      { column: 't', expected: expect.stringContaining('list items') as string },
    ],
    ['weights', '[[["a", 2]], []]\t1|2', { column: 't', expected: 'values without weights in every item' }],
    ['three levels', '[[["a", "b", "c"]], []]\t1|2', { column: 't' }],
    [
      'a flat list',
      '["a", "b"]\t1|2',
      {
        column: 't',
        cure: 'write the values of each item as a list, or remove pooling from a field whose items have one value',
      },
    ],
    [
      'a list of lists where items have one value',
      'a|b\t[[1], [2, 3]]',
      { column: 'a', cure: 'set pooling: mean for a field whose items are lists of ids, or write one id per item' },
    ],
  ])('refuse a row for %s, in all fields', async (_, row, expected) => {
    const rows = await read([sequence({ fields: [tags, 'a'] })], csv('t\ta', ['x|y\t1|2', row, 'y;x|\t3|4']));
    expect(rows.rejects).toMatchObject([{ line: 3, ...expected }]);
    expect(rows.ids['s.a']).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(nestedTexts(rows, 's.t')).toEqual([
      [['x'], ['y']],
      [['y', 'x'], []],
    ]);
  });
});
