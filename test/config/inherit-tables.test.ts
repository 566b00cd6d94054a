import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { parseOverride } from '../../src/config/overrides.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

const config = (...groups: readonly string[]): string => `data: { train: train.csv }
features:
${groups.map((group) => `  ${group}\n`).join('')}tasks: { ctr: { label: click } }
model: { name: mmoe }
`;
const features = (text: string, ...set: readonly string[]) =>
  parseConfig(text, 'c.yaml', set.map(parseOverride)).features;
const OWNERS =
  'item: { type: categorical, fields: [item, { name: shop, width: 4, encoding: { name: hash, buckets: 9 } }], ' +
  'width: 8, encoding: { name: tokens, minCount: 2 }, fillMissing: token }';

describe('field with a shared table', () => {
  it.each([
    [
      'one table for a group',
      'seen: { type: bag, fields: [seen], table: item }',
      'seen: { type: bag, fields: [seen], table: item, width: 8, encoding: { name: tokens, minCount: 2 } }',
    ],
    [
      'a table by field',
      'seen: { type: bag, fields: [seen, bought], table: { seen: item, bought: shop } }',
      'seen: { type: bag, table: { seen: item, bought: shop }, fields: [{ name: seen, width: 8, encoding: ' +
        '{ name: tokens, minCount: 2 } }, { name: bought, width: 4, encoding: { name: hash, buckets: 9 } }] }',
    ],
    [
      'a table of one field entry',
      'seen: { type: bag, fields: [{ name: seen, table: shop }, tags] }',
      'seen: { type: bag, fields: [{ name: seen, table: shop, width: 4, encoding: { name: hash, buckets: 9 } }, ' +
        'tags] }',
    ],
    [
      'missing values',
      'last: { type: categorical, fields: [last], table: item }',
      'last: { type: categorical, fields: [last], table: item, width: 8, encoding: { name: tokens, minCount: ' +
        '2 }, fillMissing: token }',
    ],
  ])('inherits unset options, with %s', (_, inherited, repeated) => {
    expect(features(config(OWNERS, inherited))).toEqual(features(config(OWNERS, repeated)));
  });

  it('does not inherit sizes, which belong to the owner', () => {
    const sized = 'item: { type: categorical, fields: [item], width: 8, encoding: { name: ids, sizes: { item: 50 } } }';
    expect(features(config(sized, 'seen: { type: bag, fields: [seen], table: item }'))['seen']).toMatchObject({
      width: 8,
      encoding: { name: 'ids', sizes: {} },
    });
  });

  it('inherits from a table set by an override', () => {
    expect(
      features(config(OWNERS, 'seen: { type: bag, fields: [seen] }'), 'features.seen.table=item')['seen'],
    ).toMatchObject({ width: 8, encoding: { name: 'tokens', minCount: 2 } });
  });

  it('is rejected if it contradicts the owner', () => {
    expect(() => features(config(OWNERS, 'seen: { type: bag, fields: [seen], table: item, width: 16 }'))).toThrow(
      /'seen' has width 16, but shares the table of 'item' with width 8/,
    );
    expect(() => features(config(OWNERS, 'seen: { type: bag, fields: [seen], table: item, encoding: ids }'))).toThrow(
      /'seen' is encoded as ids, but shares the table of 'item', encoded as tokens minCount 2/,
    );
  });

  it('trains to the weights of repeated options', async () => {
    const world = scratchFolder();
    await smallWorld(world);
    const text = readFileSync(join(world, 'esmm.yaml'), 'utf8').replace('epochs: 4', 'epochs: 1');
    const weights: string[] = [];
    for (const said of ['', ', width: 4, encoding: { name: tokens, minCount: 2 }']) {
      writeFileSync(
        join(world, 'c.yaml'),
        text.replace('tasks:', `  seen: { type: bag, fields: [109_14], table: 206${said} }\ntasks:`),
      );
      const { run } = await trainSmall(join(world, 'c.yaml'), { runDir: join(world, `run-${weights.length}`) });
      weights.push(readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1'));
    }
    expect(weights[0]).toBe(weights[1]);
  });
});
