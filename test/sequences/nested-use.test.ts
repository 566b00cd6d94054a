import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { importance } from '../../src/importance.js';
import { loadModel, type Model, type Row } from '../../src/index.js';
import { startServer } from '../support/served.js';
import { trainSmall } from '../support/small-run.js';

const CONFIG = `
name: tagged
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  ids: { type: categorical, fields: [item], encoding: tokens, width: 4 }
  tags: { type: bag, fields: [tags], encoding: tokens, width: 4 }
  clicks:
    type: sequence
    fields:
      - { name: hist_item, target: item }
      - { name: hist_tags, target: tags, pooling: mean }
    keep: { last: 4 }
    encoder: target-attention
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [4] } }
training: { epochs: 2, batchSize: 32 }
`;

/** A row of the log. */
interface Logged {
  readonly click: number;
  readonly item: string;
  readonly tags: readonly string[];
  readonly items: readonly string[];
  readonly itemTags: readonly (readonly string[])[];
}

function drawRows(count: number, seed: number): readonly Logged[] {
  const random = randomStream(seed, 'tagged');
  const draw = (kind: string, size: number): string => `${kind}${random.below(size)}`;
  const list = (most: number, kind: string): string[] =>
    Array.from({ length: random.below(most + 1) }, () => draw(kind, 6));
  return Array.from({ length: count }, () => {
    const items = list(6, 'i');
    // In text, a single item without values would be an empty list.
    return {
      click: random.below(2),
      item: draw('i', 9),
      tags: list(3, 't'),
      items,
      itemTags: items.map(() => (items.length === 1 ? ['t1'] : list(3, 't'))),
    };
  });
}

const csvOf = (rows: readonly Logged[]): string =>
  ['click,item,tags,hist_item,hist_tags']
    .concat(
      rows.map(({ click, item, tags, items, itemTags }) =>
        [click, item, tags.join('|'), items.join('|'), itemTags.map((own) => own.join(';')).join('|')].join(','),
      ),
    )
    .join('\n');
const rows = drawRows(60, 3);
const given = rows.map(({ item, tags, items, itemTags }): Row => ({
  item,
  tags,
  hist_item: items,
  hist_tags: itemTags,
}));

describe('a model with items of several values', () => {
  let [folder, run] = ['', ''];
  let model: Model;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mtl-tagged-'));
    for (const [s, split] of ['train', 'valid', 'test'].entries())
      writeFileSync(join(folder, `${split}.csv`), csvOf(s === 2 ? rows : drawRows(200, s)));
    writeFileSync(join(folder, 'c.yaml'), CONFIG);
    run = join(folder, 'run');
    await trainSmall(join(folder, 'c.yaml'), { runDir: run });
    model = await loadModel(run);
  });
  afterAll(() => {
    model.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('reads lists in rows, JSON tensors and texts alike', async () => {
    const expected = [...model.predict(given)['ctr']!];
    const texts = rows.map(({ item, tags, items, itemTags }) => ({
      item,
      tags: tags.join('|'),
      hist_item: items.join('|'),
      hist_tags: itemTags.map((own) => own.join(';')).join('|'),
    }));
    expect([...model.predict(texts)['ctr']!]).toEqual(expected);
    const server = await startServer({ paths: [run] });
    try {
      const input = (name: string, data: readonly unknown[], parameters?: object) => ({
        name,
        shape: [rows.length],
        datatype: 'BYTES',
        ...(parameters !== undefined && { parameters }),
        data,
      });
      const json = (name: string): object =>
        input(
          name,
          given.map((row) => JSON.stringify(row[name])),
          { content_type: 'json' },
        );
      const inputs = [
        input(
          'item',
          rows.map(({ item }) => item),
        ),
        ...['tags', 'hist_item', 'hist_tags'].map(json),
      ];
      const response = await server.app.inject({ method: 'POST', url: '/v2/models/tagged/infer', payload: { inputs } });
      const { outputs } = JSON.parse(response.body) as { outputs: readonly { readonly data: readonly number[] }[] };
      expect(Array.from(outputs[0]!.data, Math.fround)).toEqual(expected);
    } finally {
      await server.drain();
    }
  });

  it('is the same from the cache, and permuted as a whole', async () => {
    const again = join(folder, 'again');
    await trainSmall(join(folder, 'c.yaml'), { runDir: again });
    const other = await loadModel(again);
    expect(other.predict(given)).toEqual(model.predict(given));
    other.dispose();
    const { importances } = await importance({
      path: run,
      rows: 1000,
      repeats: 1,
      seed: 1,
      byGroup: false,
      onWarning: () => undefined,
      signal: new AbortController().signal,
      device: 'cpu',
      threads: 1,
    });
    expect(importances.map(({ name }) => name).sort()).toEqual(['clicks', 'item', 'tags']);
  });
});
