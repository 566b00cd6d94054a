import { toBatch } from '../support/batches.js';
import { column } from '../../src/core/batch.js';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyWriter } from '../../src/data/rows/key-readers.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import {
  dataColumns,
  encodedFormat,
  toRecipe,
  createRowFormat,
  trainedFormat,
  type FormatSpec,
} from '../../src/data/rows/row-format.js';
import { openShards } from '../../src/data/shards/reader.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { numberGroups } from '../../src/core/key-index.js';
import { groupColumn, keyColumn, MAX_KEY_TEXTS, textOfKey } from '../../src/core/row-key.js';
import { taskOptions } from '../../src/core/tasks.js';
import { encodeFolder, filesIn } from '../support/encode-folder.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groups = [{ type: 'categorical', fields: ['id'] }].map((group) => featureTypes.schema.parse(group));
const FITTED = { id: { size: 3 } };
const formatOf = (spec: Partial<FormatSpec>) => encodedFormat(createRowFormat({ tasks, groups, ...spec }), FITTED);
const reading = { policy: refuseBadRows };

/** Reads the strings of a key column by row. */
async function textsOf(path: string, by: string, spec: Partial<FormatSpec>): Promise<readonly string[]> {
  const format = formatOf(spec);
  const dataset = await (await openSource(path, dataColumns(format))).dataset(format, reading);
  const texts: string[] = [];
  for await (const { batch } of dataset.batches(7)) {
    const keys = column(batch, keyColumn(by), 'u32').data;
    for (let row = 0; row < batch.rows; row++)
      texts.push(textOfKey(keys[2 * row]!, keys[2 * row + 1]!, dataset.keyTexts.get(by)));
  }
  return texts;
}

describe('key', () => {
  const write = createKeyWriter();
  const keyOf = (text: string): string => {
    const words = new Uint32Array(2);
    write(text, words, 0);
    return words.join(' ');
  };

  it('is the number up to 2^53, and unique for every other string', () => {
    const words = new Uint32Array(2);
    for (const number of [0, 7, 2 ** 32, 2 ** 53 - 1]) {
      write(String(number), words, 0);
      expect(textOfKey(words[0]!, words[1]!)).toBe(String(number));
    }
    const cells = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '',
        '7',
        '07',
        '7.0',
        ' 7',
        '+7',
        '9007199254740992',
        '9007199254740993',
        '18446744073709551615',
        'ü',
        '(blank)',
      ),
      fc.nat().map(String),
    );
    fc.assert(
      fc.property(cells, cells, (a, b) => {
        expect(keyOf(a) === keyOf(b)).toBe(a === b);
      }),
    );
    expect(keyOf('a')).toBe(keyOf('a'));
  });

  it('numbers the rows of a batch by group', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (cells) => {
        const into = new Float32Array(cells.length);
        const count = numberGroups(Uint32Array.from(cells.flatMap((cell) => [cell % 2, cell])), cells.length, into);
        const firsts = [...new Set(cells)];
        expect([[...into], count]).toEqual([cells.map((cell) => firsts.indexOf(cell)), firsts.length]);
      }),
    );
  });
});

describe('stored keys', () => {
  // Ids above 2 share the out-of-vocabulary id; their keys differ.
  const rows = [
    ['1', '1', 'a'],
    ['0', '900', 'b'],
    ['1', '901', 'a'],
    ['0', '900', ''],
    ['0', '2', '"c, d"'],
    ['1', '007', 'ü'],
  ];
  const csv = `click,id,shop\n${rows.map((row) => row.join(',')).join('\n')}\n`;

  it('equal the values of the file, independent of the features of the column', async () => {
    const path = scratchFile('train.csv', csv);
    expect(await textsOf(path, 'id', { keys: ['id', 'shop'] })).toEqual(['1', '900', '901', '900', '2', '007']);
    expect(await textsOf(path, 'shop', { keys: ['id', 'shop'] })).toEqual(['a', 'b', 'a', '(blank)', 'c, d', 'ü']);
  });

  it('are missing for null values', async () => {
    const path = scratchFile('train.csv', csv);
    expect(await textsOf(path, 'shop', { keys: ['shop'], cells: { nullValues: ['b'] } })).toEqual([
      'a',
      '(blank)',
      'a',
      '(blank)',
      'c, d',
      'ü',
    ]);
  });

  it('are the same for any number of threads', async () => {
    const shopOf = (row: number): string => (row % 7 === 0 ? `shop ${row % 900}` : String(row * 1e9));
    const lines = Array.from({ length: 3000 }, (_, row) => `${row % 2},${row % 5},${shopOf(row)}\n`);
    const many = `click,id,shop\n${lines.join('')}`;
    const path = scratchFile('train.csv', many);
    const format = formatOf({ keys: ['id', 'shop'] });
    const filesOf = async (threads: number): Promise<unknown> =>
      filesIn(await encodeFolder(await openAllColumns(path, {}, 4096), format, refuseBadRows, { threads }));
    const one = await filesOf(1);
    expect(JSON.stringify(one)).toContain('shop 7');
    expect(await filesOf(3)).toEqual(one);
  });

  it('have no strings beyond the maximum number of strings in a report', async () => {
    const path = scratchFile(
      'train.csv',
      `click,id,shop\n${Array.from({ length: MAX_KEY_TEXTS + 1 }, (_, row) => `0,1,u${row}`).join('\n')}\n`,
    );
    const [first] = await textsOf(path, 'shop', { keys: ['shop'] });
    expect(first).toMatch(/^#[89a-f][0-9a-f]{15}$/);
  });

  it('change neither the cache of a config without keys nor the training format', () => {
    const plain = formatOf({});
    expect(toRecipe(trainedFormat(formatOf({ keys: ['shop'] })))).toEqual(toRecipe(plain));
    expect(toRecipe(formatOf({ keys: ['shop'] }))).not.toEqual(toRecipe(plain));
    expect(dataColumns(plain)).toEqual(['click', 'id']);
  });

  it('define the groups of a batch for losses, shuffled or not', async () => {
    const path = scratchFile('train.csv', csv);
    const format = trainedFormat(formatOf({ keys: ['shop'], lossKeys: ['id'] }));
    expect(format.keys).toEqual(['id']);
    const dataset = await (await openSource(path, dataColumns(format))).dataset(format, reading);
    for (const shuffle of [undefined, { seed: 1, epoch: 1, window: 6 }]) {
      const seen: string[] = [];
      for await (const { batch } of dataset.batches(6, shuffle)) {
        const keys = column(batch, keyColumn('id'), 'u32').data;
        const groupsOf = column(batch, groupColumn('id'), 'f32').data;
        const texts = Array.from(groupsOf, (_, row) =>
          textOfKey(keys[2 * row]!, keys[2 * row + 1]!, dataset.keyTexts.get('id')),
        );
        expect([...groupsOf]).toEqual(texts.map((text) => [...new Set(texts)].indexOf(text)));
        seen.push(...texts);
      }
      expect(seen.sort()).toEqual(['007', '1', '2', '900', '900', '901']);
    }
  });
});

describe('third-party shards', () => {
  const texts = ['', 'u1', 'u2'];
  const write = async (ids: readonly number[]): Promise<string> => {
    const folder = join(scratchFolder(), 'shards');
    const batch = toBatch({
      rows: ids.length,
      ids: new Map([['id', Uint32Array.from(ids)]]),
      labels: new Map([['click', new Float32Array(ids.length)]]),
    });
    await writeShards(
      folder,
      [
        { name: 'id', kind: 'id' },
        { name: 'click', kind: 'label' },
      ],
      async (writer) => {
        await writer.add(batch);
        return { sizes: new Map([['id', 3]]), vocabularies: new Map([['id', textsFrom(texts)]]) };
      },
    );
    return folder;
  };

  it('provide keys as vocabulary strings if each id has one string', async () => {
    expect(await textsOf(await write([1, 2, 2, 1]), 'id', { keys: ['id'] })).toEqual(['u1', 'u2', 'u2', 'u1']);
  });

  it('are rejected with the fix if ids were merged or the column has no ids', async () => {
    await expect(textsOf(await write([1, 0, 2]), 'id', { keys: ['id'] })).rejects.toThrow(
      /column 'id': groups rows, but 1 of its values have the out-of-vocabulary id 0 .*use the source CSV, JSON Lines or Parquet/,
    );
    await expect(textsOf(await write([1]), 'click', { keys: ['click'] })).rejects.toThrow(
      /column 'click': .*only for columns of kind id, not label/,
    );
    await expect(textsOf(await write([1]), 'shop', { keys: ['shop'] })).rejects.toThrow(
      /column 'shop': is used by the config/,
    );
  });

  it('are read without keys if the config has none', async () => {
    const shards = await openShards(await write([0, 1]));
    expect(shards!.manifest.about).not.toHaveProperty('keyTexts');
  });
});
