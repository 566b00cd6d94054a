import { mapsOf, toBatch } from '../support/batches.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { shardDataset } from '../../src/data/batches/dataset.js';
import { isSameContent, type Fingerprint } from '../../src/data/readers/fingerprint.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import type { BlockColumn } from '../../src/chunks/row-block.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openShards } from '../../src/data/shards/reader.js';
import { formatView } from '../../src/data/shards/shard-view.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFolder } from '../support/scratch.js';

const tasks = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: 'click' }) },
];
const ROWS = 300;
const rows = Array.from({ length: ROWS }, (_, r) => ({
  click: Number(r % 3 === 0),
  buy: Number(r % 6 === 0),
  user: r % 40,
  word: (r * 7) % 5,
  price: (r % 16) / 4,
  seen: Array.from({ length: r % 4 }, (__, i) => ({ id: (r + i) % 9, weight: (i + 1) / 2 })),
}));
const WORDS = ['', 'red', 'green', 'blue', 'ü'];
const COLUMNS: readonly BlockColumn[] = [
  { name: 'click', kind: 'label' },
  { name: 'buy', kind: 'label' },
  { name: 'user', kind: 'id' },
  { name: 'word', kind: 'id' },
  { name: 'price', kind: 'number' },
  { name: 'seen', kind: 'bag' },
];

/** Writes the rows as a CSV and as shards of 64 rows. */
async function bothSources(
  change: (batch: Batch) => void = () => undefined,
  vocabularies: readonly [string, readonly string[]][] = [],
): Promise<{ csv: string; folder: string }> {
  const base = scratchFolder();
  const csv = join(base, 'train.csv');
  const lines = rows.map(({ click, buy, user, word, price, seen }) =>
    [click, buy, user, WORDS[word], price, seen.map(({ id, weight }) => `${id}:${weight}`).join('|')].join(','),
  );
  writeFileSync(csv, `click,buy,user,word,price,seen\n${lines.join('\n')}\n`);
  const items = rows.map(({ seen }) => seen);
  const offsets = new Uint32Array(ROWS + 1);
  items.forEach((bag, r) => (offsets[r + 1] = offsets[r]! + bag.length));
  const floats = (name: 'click' | 'buy' | 'price'): Float32Array => Float32Array.from(rows, (row) => row[name]);
  const batch = toBatch({
    rows: ROWS,
    ids: new Map([
      ['user', Uint32Array.from(rows, ({ user }) => user)],
      ['word', Uint32Array.from(rows, ({ word }) => word)],
    ]),
    numbers: new Map([['price', floats('price')]]),
    bags: new Map([
      [
        'seen',
        {
          offsets,
          ids: Uint32Array.from(items.flat(), ({ id }) => id),
          weights: Float32Array.from(items.flat(), ({ weight }) => weight),
        },
      ],
    ]),
    labels: new Map([
      ['click', floats('click')],
      ['buy', floats('buy')],
    ]),
  });
  change(batch);
  const folder = join(base, 'shards');
  await writeShards(
    folder,
    COLUMNS,
    async (writer) => {
      await writer.add(batch);
      return {
        sizes: new Map([
          ['user', 40],
          ['word', 5],
          ['seen', 9],
        ]),
        vocabularies: new Map(
          [['word', WORDS] as const, ...vocabularies].map(([name, texts]) => [name, textsFrom(texts)]),
        ),
      };
    },
    64,
  );
  return { csv, folder };
}

/** Reads a source with a config: the fit and all batches. */
async function read(
  path: string,
  groups: readonly object[],
  fittedOn = path,
): Promise<{ fitted: unknown; batches: unknown[] }> {
  const format = createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
  const reading = { policy: refuseBadRows, cache: { folder: scratchFolder() } };
  const fitted = await (await openSource(fittedOn, dataColumns(format))).fit(format, reading);
  const dataset = await (await openSource(path, dataColumns(format))).dataset(encodedFormat(format, fitted), reading);
  const batches: unknown[] = [];
  for (const shuffle of [undefined, { seed: 1, epoch: 1, window: 1000 }]) {
    for await (const { batch } of dataset.batches(40, shuffle)) {
      const columns = [mapsOf(batch).ids, mapsOf(batch).numbers, mapsOf(batch).labels].map((map) =>
        Object.fromEntries([...map].map(([name, data]) => [name, [...data]])),
      );
      const bags = [...mapsOf(batch).bags].map(([name, { offsets, ids, weights }]) => [
        name,
        [...offsets],
        [...ids],
        [...weights],
      ]);
      batches.push([batch.rows, columns, bags]);
    }
  }
  return { fitted, batches };
}

describe('shard directory as a source', () => {
  it.each<[string, readonly object[]]>([
    ['ids with sizes from the manifest', [{ type: 'categorical', fields: ['user'] }]],
    [
      'ids with sizes in the config',
      [{ type: 'categorical', fields: ['user'], encoding: { name: 'ids', sizes: { user: 50 } } }],
    ],
    [
      'tokens, by the strings of a vocabulary',
      [{ type: 'categorical', fields: ['word'], encoding: { name: 'tokens', minCount: 2 } }],
    ],
    ['hashes', [{ type: 'categorical', fields: ['word', 'user'], encoding: { name: 'hash', buckets: 7 } }]],
    ['unscaled numbers', [{ type: 'numeric', fields: ['price'] }]],
    ['scaled numbers', [{ type: 'numeric', fields: ['price'], scaling: 'standard' }]],
    [
      'a number in two ways',
      [
        { type: 'numeric', fields: ['price'], scaling: 'log1p' },
        { type: 'bucketized', fields: ['price'], quantiles: 4 },
      ],
    ],
    ['bags', [{ type: 'bag', fields: ['seen'] }]],
    ['bags of tokens', [{ type: 'bag', fields: ['seen'], encoding: { name: 'tokens' } }]],
    ['bags with maxItems', [{ type: 'bag', fields: ['seen'], maxItems: 2 }]],
    ['bags of tokens with maxItems', [{ type: 'bag', fields: ['seen'], encoding: { name: 'tokens' }, maxItems: 1 }]],
    [
      'crosses',
      [
        { type: 'cross', fields: [['user', 'word']], buckets: 100 },
        { type: 'categorical', fields: ['user'] },
      ],
    ],
  ])('equals CSV of the same rows: %s', async (_, groups) => {
    const { csv, folder } = await bothSources();
    const expected = await read(csv, groups);
    const found = await read(folder, groups);
    expect(found).toEqual(expected);
    expect(found.batches).toHaveLength(16);
  });

  it('has a fingerprint of its rows and strings, independent of its path', async () => {
    const fingerprintOf = async (folder: string): Promise<Fingerprint> =>
      (await openSource(folder, [])).fingerprint({});
    const first = await fingerprintOf((await bothSources()).folder);
    expect(isSameContent(first, await fingerprintOf((await bothSources()).folder))).toBe(true);
    expect(
      isSameContent(
        first,
        await fingerprintOf((await bothSources((batch) => (mapsOf(batch).labels.get('click')![0] = 0))).folder),
      ),
    ).toBe(false);
    expect(
      isSameContent(
        first,
        await fingerprintOf((await bothSources(undefined, [['word', ['', 'red', 'blue', 'green', 'ü']]])).folder),
      ),
    ).toBe(false);
  });

  it('maps ids beyond those of the training set to the out-of-vocabulary id', async () => {
    const { folder } = await bothSources();
    const smaller = join(scratchFolder(), 'train.csv');
    writeFileSync(smaller, 'click,buy,user\n0,0,19\n');
    const { batches } = await read(folder, [{ type: 'categorical', fields: ['user'] }], smaller);
    const [, [ids]] = batches[0] as [number, [{ user: number[] }]];
    expect(ids.user).toEqual(rows.slice(0, 40).map(({ user }) => (user < 20 ? user : 0)));
  });

  it('uses stored ids, independent of the vocabulary and other features of the column', async () => {
    // The strings are ids too, different from the stored ids.
    const { folder } = await bothSources(undefined, [['word', ['4', '3', '2', '1', '0']]]);
    const word = { type: 'categorical', fields: ['word'] };
    const idsOf = async (groups: readonly object[]): Promise<unknown> => {
      const [, [ids]] = (await read(folder, groups)).batches[0] as [number, [{ word: number[] }]];
      return ids.word;
    };
    const stored = rows.slice(0, 40).map((row) => row.word);
    expect(await idsOf([word])).toEqual(stored);
    expect(await idsOf([word, { type: 'cross', fields: [['user', 'word']], buckets: 100 }])).toEqual(stored);
  });

  it('reads a vocabulary from a JSON list and rejects other content', async () => {
    const { folder } = await bothSources();
    const groups = [{ type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } }];
    const expected = await read(folder, groups);
    const manifest = join(folder, 'manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('vocabulary-003.safetensors', 'words.json'));
    const words = join(folder, 'words.json');
    writeFileSync(words, JSON.stringify(WORDS));
    expect(await read(folder, groups)).toEqual(expected);
    for (const text of ['{"a": 1}', '["a", 1]', '["a"', '["\\ud800"]']) {
      writeFileSync(words, text);
      await expect(read(folder, groups)).rejects.toMatchObject({
        exitCode: 3,
        message: expect.stringMatching(/words\.json: is not a vocabulary/) as string,
      });
    }
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('words.json', 'shard-00000.safetensors'));
    await expect(read(folder, groups)).rejects.toThrow(/shard-00000\.safetensors: is not a vocabulary/);
  });

  it('uses stored ids of bags and maps those beyond the training set to the out-of-vocabulary id', async () => {
    const { folder } = await bothSources(undefined, [['seen', Array.from({ length: 9 }, (_, id) => String(8 - id))]]);
    const smaller = join(scratchFolder(), 'train.csv');
    writeFileSync(smaller, 'click,buy,seen\n0,0,4\n');
    const { batches } = await read(folder, [{ type: 'bag', fields: ['seen'] }], smaller);
    const [, , [[, , ids]]] = batches[0] as [number, unknown, [[string, number[], number[]]]];
    expect(ids).toEqual(rows.slice(0, 40).flatMap(({ seen }) => seen.map(({ id }) => (id < 5 ? id : 0))));
  });

  it('accepts negative weights for sum-pooled bags', async () => {
    const { folder } = await bothSources((batch) => (mapsOf(batch).bags.get('seen')!.weights[0] = -1));
    const { batches } = await read(folder, [{ type: 'bag', fields: ['seen'], pooling: 'sum' }]);
    const [, , [[, , , weights]]] = batches[0] as [number, unknown, [[string, number[], number[], number[]]]];
    expect(weights[0]).toBe(-1);
  });

  const user = [{ type: 'categorical', fields: ['user'] }];
  it.each<[string, readonly object[], (batch: Batch) => void, RegExp]>([
    [
      'a missing column',
      [{ type: 'categorical', fields: ['users'] }],
      () => undefined,
      /manifest\.json: column 'users': .*did you mean 'user'\?/,
    ],
    [
      'a bag for one value',
      [{ type: 'categorical', fields: ['seen'] }],
      () => undefined,
      /column 'seen': is of kind bag, but the config expects one value per row/,
    ],
    [
      'a single id for a bag',
      [{ type: 'bag', fields: ['user'] }],
      () => undefined,
      /column 'user': is of kind id, but the config expects a bag/,
    ],
    [
      'a label above 1',
      user,
      (batch) => (mapsOf(batch).labels.get('click')![70] = 2),
      /shard-00001\.safetensors, row 6: column 'click': expected 0 or 1, found 2/,
    ],
    [
      'a purchase without a click',
      user,
      (batch) => (mapsOf(batch).labels.get('buy')![1] = 1),
      /shard-00000\.safetensors, row 1: column 'buy': expected click to be 1/,
    ],
    [
      'an id beyond its size',
      user,
      (batch) => (mapsOf(batch).ids.get('user')![299] = 40),
      /shard-00004\.safetensors, row 43: column 'user': expected an id below 40/,
    ],
    [
      'an id beyond the size in the config',
      [{ type: 'categorical', fields: ['user'], encoding: { name: 'ids', sizes: { user: 39 } } }],
      () => undefined,
      /row 39: column 'user': expected an id below 39/,
    ],
    [
      'a number out of the range of its scale',
      [{ type: 'numeric', fields: ['price'], scaling: 'log1p' }],
      (batch) => (mapsOf(batch).numbers.get('price')![3] = -1),
      /row 3: column 'price': expected a number above -1/,
    ],
    [
      'an unscaled NaN',
      [{ type: 'numeric', fields: ['price'] }],
      (batch) => (mapsOf(batch).numbers.get('price')![70] = NaN),
      /shard-00001\.safetensors, row 6: column 'price': expected a finite number, found NaN/,
    ],
    [
      'an infinite number during the fit of a scale',
      [{ type: 'numeric', fields: ['price'], scaling: 'standard' }],
      (batch) => (mapsOf(batch).numbers.get('price')![70] = Infinity),
      /row 6: column 'price': expected a finite number, found Infinity/,
    ],
    [
      'a NaN in a bucketized field',
      [{ type: 'bucketized', fields: ['price'], boundaries: [1] }],
      (batch) => (mapsOf(batch).numbers.get('price')![3] = NaN),
      /row 3: column 'price': expected a finite number, found NaN/,
    ],
    // Rows have 0, 1, 2 and 3 items, repeatedly.
    [
      'a NaN weight',
      [{ type: 'bag', fields: ['seen'], pooling: 'sum' }],
      (batch) => (mapsOf(batch).bags.get('seen')!.weights[7] = NaN),
      /row 6: column 'seen': expected finite weights, found NaN/,
    ],
    [
      'a negative weight with mean pooling',
      [{ type: 'bag', fields: ['seen'] }],
      (batch) => (mapsOf(batch).bags.get('seen')!.weights[0] = -1),
      /row 1: column 'seen': expected finite weights of at least 0 for mean pooling, found -1/,
    ],
  ])('rejects %s with its location', async (_, groups, change, message) => {
    const { folder } = await bothSources(change);
    await expect(read(folder, groups)).rejects.toThrow(message);
    await expect(read(folder, groups)).rejects.toMatchObject({ exitCode: 3 });
  });

  it.each<[string, number, (batch: Batch) => void, RegExp]>(
    [1, 2].flatMap((threads): [string, number, (batch: Batch) => void, RegExp][] => [
      [
        'a label above 1',
        threads,
        (batch) => (mapsOf(batch).labels.get('click')![70] = 2),
        /shard-00001\.safetensors, row 6: column 'click': expected 0 or 1, found 2/,
      ],
      [
        'a number out of the range of its scale',
        threads,
        (batch) => (mapsOf(batch).numbers.get('price')![203] = -1),
        /shard-00003\.safetensors, row 11: column 'price': expected a number above -1/,
      ],
    ]),
  )(
    'reports %s with its location, also from a shuffling thread, with %d threads',
    async (_, threads, change, message) => {
      const { folder } = await bothSources(change);
      const format = createRowFormat({
        tasks,
        groups: [featureTypes.schema.parse({ type: 'numeric', fields: ['price'], scaling: 'log1p' })],
      });
      const fitted = await (await openSource(folder, dataColumns(format))).fit(format, { policy: refuseBadRows });
      const shards = (await openShards(folder))!;
      const view = formatView(
        { columns: new Map(shards.manifest.columns.map((column) => [column.name, column])), vocabularies: new Map() },
        encodedFormat(format, fitted),
      );
      const dataset = shardDataset(shards, view, { threads, threadedRows: 1 });
      onTestFinished(() => dataset.close());
      const readAll = async (): Promise<void> => {
        for await (const { batch } of dataset.batches(8, { seed: 1, epoch: 1, window: 128 }))
          expect(batch.rows).toBeLessThanOrEqual(8);
      };
      await expect(readAll()).rejects.toThrow(message);
      await expect(readAll()).rejects.toMatchObject({ exitCode: 3 });
    },
  );
});
