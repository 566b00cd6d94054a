import { toBatch } from '../support/batches.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import type { BlockColumn } from '../../src/chunks/row-block.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { firstDataState } from '../../src/data/sources/data-state.js';
import { openDatasets, openSplits, type Datasets } from '../../src/data/sources/splits.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const tokens = (options: object = {}): object => ({ name: 'tokens', ...options });

/** Opens splits like a run does; returns the shares and the warnings. */
async function opened(
  files: { train: string; valid?: string; test?: string },
  groups: readonly object[],
  cache: string,
): Promise<{ unknown: Datasets['unknown']; told: string[]; read: string[] }> {
  const told: string[] = [];
  const read: string[] = [];
  const format = createRowFormat({ tasks, groups: groups.map((group) => featureTypes.schema.parse(group)) });
  const reading = {
    policy: refuseBadRows,
    cache: { folder: cache },
    onWarning: (text: string) => void told.push(text),
    onProgress: ({ what }: { what: string }) => void read.push(what),
  };
  const sources = await openSplits(files, format, '');
  const fitted = await sources.train.fit(format, reading);
  const { unknown } = await openDatasets(sources, encodedFormat(format, fitted), reading, firstDataState());
  return { unknown, told, read };
}

function csv(folder: string, name: string, header: string, rows: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${header}\n${rows.join('\n')}\n`);
  return path;
}

describe('out-of-vocabulary share', () => {
  it('is counted by field and split during encoding, per bag item, and stored in the cache', async () => {
    const folder = scratchFolder();
    const header = 'click,word,seen,price';
    // 'rare' is below the minimum count; row n has a bag of n items.
    const train = csv(
      folder,
      'train.csv',
      header,
      Array.from(
        { length: 40 },
        (_, i) => `${i % 2},${i === 7 ? 'rare' : `w${i % 4}`},${['a|b', 'a', '', 'b|b|a'][i % 4]},1`,
      ),
    );
    const valid = csv(folder, 'valid.csv', header, ['0,w1,a|c|c,0', '1,new,d,0', '1,,,0', '0,w0,b,0']);
    const groups = [
      { type: 'categorical', fields: ['word'], encoding: tokens({ minCount: 2 }) },
      { type: 'bag', fields: ['seen'], encoding: tokens() },
      { type: 'numeric', fields: ['price'] },
    ];
    const cache = scratchFolder();
    const first = await opened({ train, valid }, groups, cache);
    expect(first.unknown).toEqual({ train: { word: 1 / 40, seen: 0 }, valid: { word: 0.5, seen: 3 / 5 } });
    expect(first.read).not.toEqual([]);
    const again = await opened({ train, valid }, groups, cache);
    expect(again).toEqual({ ...first, read: [] });
  });

  it('is reported once per field, with the fix, if it is high, or much higher than in the training set', async () => {
    const folder = scratchFolder();
    const row = (word: string, id: number, usual: string): string => `${id % 2},${word},${id},${usual}`;
    const header = 'click,word,id,usual';
    const train = csv(
      folder,
      'train.csv',
      header,
      Array.from({ length: 100 }, (_, i) => row(i < 60 ? `once${i}` : 'often', i % 2, `u${i % 5}`)),
    );
    const test = csv(
      folder,
      'test.csv',
      header,
      Array.from({ length: 100 }, (_, i) => row('never', i % 2, i < 30 ? 'new' : 'u1')),
    );
    const groups = [
      { type: 'categorical', fields: ['word'], encoding: tokens({ minCount: 2 }) },
      { type: 'categorical', fields: ['id'] },
      { type: 'categorical', fields: ['usual'], encoding: tokens() },
    ];
    const { told, unknown } = await opened({ train, test }, groups, scratchFolder());
    // Ids used as they are: half of them are 0, in the training set and the test set.
    expect(unknown.train).toEqual({ word: 0.6, id: 0.5, usual: 0 });
    expect(told).toEqual([
      expect.stringMatching(
        /^field 'word': 60% of the training set is out of vocabulary and shares one id; .*minCount/,
      ),
      expect.stringMatching(
        /^field 'usual': 30% of the test set is out of vocabulary, but only 0% of the training set; train on more or newer rows.*hash/,
      ),
    ]);
  });

  it('of shards is counted by their writer if the field uses their ids', async () => {
    const folder = join(scratchFolder(), 'shards');
    const columns: readonly BlockColumn[] = [
      { name: 'click', kind: 'label' },
      { name: 'user', kind: 'id' },
      { name: 'seen', kind: 'bag' },
    ];
    await writeShards(
      folder,
      columns,
      async (writer) => {
        for (let part = 0; part < 3; part++) {
          await writer.add(
            toBatch({
              rows: 4,
              ids: new Map([['user', Uint32Array.of(0, 1, 2, part)]]),
              bags: new Map([
                [
                  'seen',
                  {
                    offsets: Uint32Array.of(0, 1, 1, 3, 3),
                    ids: Uint32Array.of(0, 1, 2),
                    weights: Float32Array.of(1, 1, 1),
                  },
                ],
              ]),
              labels: new Map([['click', Float32Array.of(0, 1, 0, 1)]]),
            }),
          );
        }
        return {
          sizes: new Map([
            ['user', 3],
            ['seen', 3],
          ]),
        };
      },
      5,
    );
    const groups = (sizes: object): object[] => [
      { type: 'categorical', fields: ['user'], encoding: { name: 'ids', sizes } },
      { type: 'bag', fields: ['seen'], encoding: { name: 'hash', buckets: 10 } },
    ];
    // The share of a hashed field is unknown before hashing.
    expect((await opened({ train: folder }, groups({ user: 3 }), scratchFolder())).unknown).toEqual({
      train: { user: 4 / 12 },
    });
    expect((await opened({ train: folder }, groups({}), scratchFolder())).unknown).toEqual({ train: { user: 4 / 12 } });
  });
});
