/** @module-tag long */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { loadModel, train, type Row } from '../../src/index.js';

const folder = mkdtempSync(join(tmpdir(), 'mtl-rank-sequences-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Maximum difference of predictions of candidates and of whole rows. */
const TOLERANCE = 1e-6;
const [ROWS, ITEMS, MAX_CLICKS] = [300, 12, 9];

/** Users with 0 to 9 clicks of aligned items, and with weighted tastes. */
const rows = ((): readonly Record<string, string>[] => {
  const random = randomStream(3, 'rows');
  const list = (length: number, draw: () => string): string => Array.from({ length }, draw).join('|');
  return Array.from({ length: ROWS }, (_, row) => {
    const clicks = random.below(MAX_CLICKS + 1);
    const item = random.below(ITEMS);
    return {
      user: `u${row % 20}`,
      item: String(item),
      category: `c${item % 4}`,
      price: random.uniform().toFixed(2),
      at: String(100 + random.below(20)),
      clicked: list(clicks, () => String(random.below(ITEMS))),
      kinds: list(clicks, () => `c${random.below(4)}`),
      paid: list(clicks, () => random.uniform().toFixed(2)),
      times: list(clicks, () => String(80 + random.below(35))),
      tastes: list(row % 5, () => `c${random.below(4)}:${random.below(5) / 2}`),
      click: String(random.below(2)),
      buy: String(random.below(2)),
    };
  });
})();

/** Encoders of the clicks, which are aligned, and of the tastes, which are weighted. */
const ENCODERS: Readonly<Record<string, { readonly clicks: string; readonly tastes: string }>> = {
  'target attention': { clicks: 'target-attention', tastes: '{ name: target-attention, weights: softmax }' },
  'target attention of the paper': {
    clicks: '{ name: target-attention, weights: linear, products: false, sum: false, norm: false, activation: prelu }',
    tastes: '{ name: target-attention, weights: sigmoid, hidden: [70, 5] }',
  },
  'self-attention': { clicks: 'self-attention', tastes: '{ name: self-attention, norm: pre, blocks: 2 }' },
  'several encoders': {
    clicks: '[pooling, { name: self-attention, causal: true }, target-attention]',
    tastes: 'pooling',
  },
};

const configOf = ({ clicks, tastes }: { readonly clicks: string; readonly tastes: string }): string => `
data: { train: train.csv, valid: train.csv }
features:
  ids: { type: categorical, fields: [user, item, category], width: 6, encoding: tokens }
  price: { type: numeric, fields: [price], scaling: standard }
  clicks:
    type: sequence
    fields:
      - { name: clicked, target: item }
      - { name: kinds, target: category }
      - { name: paid, scaling: log1p }
      - { name: times, as: age, until: at, buckets: log, width: 3 }
    order: { by: times }
    keep: { last: 7 }
    encoder: ${clicks}
  tastes:
    type: sequence
    fields: [{ name: tastes, target: category }]
    aligned: false
    keep: { heaviest: 3 }
    encoder: ${tastes}
tasks:
  ctr: { label: click }
  buy: { label: buy }
model: { name: shared-bottom, hidden: [8] }
training: { epochs: 1, batchSize: 32, optimizer: { dense: { learningRate: 0.01 }, embeddings: { learningRate: 0.1 } } }
`;

/** Columns that candidates have: the item; all but the history; the time of an age, too; a part of the history. */
const CANDIDATE_COLUMNS = [
  ['item', 'category', 'price'],
  ['item'],
  ['at'],
  ['item', 'category', 'at'],
  ['item', 'tastes'],
  ['price'],
  ['clicked', 'kinds', 'paid', 'times', 'item'],
];

const selectColumns = (row: Row, isSelected: (column: string) => boolean): Row =>
  Object.fromEntries(Object.entries(row).filter(([column]) => isSelected(column)));

describe('model.rank has the predictions of whole rows for the sequences of a user', () => {
  it.each(Object.entries(ENCODERS))('%s', async (name, encoders) => {
    const [config, run] = [join(folder, 'model.yaml'), join(folder, name)];
    const header = Object.keys(rows[0]!);
    const lines = [header, ...rows.map((row) => Object.values(row))].map((values) => values.join(','));
    writeFileSync(join(folder, 'train.csv'), `${lines.join('\n')}\n`);
    writeFileSync(config, configOf(encoders));
    await train(config, { runDir: run, device: 'cpu' });
    const model = await loadModel(run);
    // A user without clicks and without tastes is among them.
    const users = [rows.find(({ clicked, tastes }) => clicked === '' && tastes === '')!, ...rows.slice(0, 9)];
    for (const columns of CANDIDATE_COLUMNS)
      for (const each of users) {
        const user = selectColumns(each, (column) => !columns.includes(column));
        const candidates = rows.slice(0, 40).map((row) => selectColumns(row, (column) => columns.includes(column)));
        const expected = model.predict(candidates.map((candidate) => ({ ...user, ...candidate })));
        const found = model.rank(user, candidates);
        for (const [output, values] of Object.entries(expected))
          for (const [row, value] of values.entries())
            expect(Math.abs(found[output]![row]! - value)).toBeLessThanOrEqual(TOLERANCE);
        if (columns.length > 1) expect(new Set(expected['ctr']).size).toBeGreaterThan(2);
      }
    model.dispose();
  });
});
