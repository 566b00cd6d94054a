/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { loadModel, type Predictions, type Row } from '../../src/index.js';
import { logFeatures, logRows, writeLog, type LogRow } from '../support/click-log.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

// Models that search histories: by an equal value while data is read, and by scores in the model.

const CANDIDATE_COLUMNS = ['item', 'cate', 'price'];

/** Trains the log with other options of its sequence. @returns the run directory */
async function trainWith(keep: string, encoder: string): Promise<string> {
  const folder = scratchFolder();
  mkdirSync(folder, { recursive: true });
  const config = writeLog(folder);
  const features = logFeatures(encoder).replace('keep: { last: 6 }', `keep: ${keep}`);
  writeFileSync(config, readFileSync(config, 'utf8').replace(logFeatures(), features));
  const runDir = join(folder, 'run');
  await trainSmall(config, { runDir });
  return runDir;
}

const select = (row: LogRow, isSelected: (column: string) => boolean): Row =>
  Object.fromEntries(Object.entries(row).filter(([column]) => isSelected(column)));

function expectNear(found: Predictions, expected: Predictions): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [output, values] of Object.entries(expected))
    for (const [row, value] of values.entries()) expect(found[output]![row]).toBeCloseTo(value, 5);
}

describe.each([
  ['{ last: 3, matching: hist_cate }', 'target-attention'],
  ['{ last: 9 }', '{ name: search, top: 2 }'],
  ['{ last: 9, matching: hist_cate }', '{ name: search, by: hash, top: 1 }'],
])('a model with keep: %s and encoder: %s', (keep, encoder) => {
  it('predicts lists like text, and ranks candidates as it predicts whole rows', async () => {
    const model = await loadModel(await trainWith(keep, encoder));
    const rows = logRows('test', 90);
    const texts = model.predict(rows);
    const list = (text: string): string[] => (text === '' ? [] : text.split('|'));
    const lists = rows.map((row) => ({
      ...row,
      ...Object.fromEntries(['item', 'cate'].map((name) => [`hist_${name}`, list(row[`hist_${name}`]!)])),
      hist_price: list(row['hist_price']!).map(Number),
      hist_time: list(row['hist_time']!).map(Number),
    }));
    expect(model.predict(lists)).toEqual(texts);
    const user = rows.find(({ hist_item: items }) => list(items!).length > 6)!;
    const ofUser = select(user, (column) => !CANDIDATE_COLUMNS.includes(column));
    const candidates = rows.map((row) => select(row, (column) => CANDIDATE_COLUMNS.includes(column)));
    const expected = model.predict(candidates.map((each) => ({ ...ofUser, ...each })));
    expectNear(model.rank(ofUser, candidates), expected);
    expect(new Set(expected['ctr']).size).toBeGreaterThan(10);
    model.dispose();
  });
});

it('a model reads only the items whose category is that of the candidate', async () => {
  const model = await loadModel(await trainWith('{ last: 3, matching: hist_cate }', 'target-attention'));
  const time = 1_700_000_000;
  const row = (items: readonly string[], cates: readonly string[]): Row => ({
    ...logRows('test', 1)[0]!,
    cate: 'c1',
    hist_item: items.join('|'),
    hist_cate: cates.join('|'),
    hist_price: items.map(() => 1).join('|'),
    hist_time: items.map((_, i) => time - 10 + i).join('|'),
    time: String(time),
  });
  const matches = ['c1', 'c1', 'c1'];
  const [without, others, some, withOthers, other] = model.predict([
    row([], []),
    row(['i2', 'i3'], ['c2', 'c3']),
    row(['i1', 'i8', 'i15'], matches),
    // The oldest match is beyond the last three, and items of other categories do not count.
    row(['i22', 'i1', 'i8', 'i15', 'i2', 'i3', 'i4'], ['c1', ...matches, 'c2', 'c3', 'c4']),
    row(['i1', 'i8', 'i22'], matches),
  ])['ctr']!;
  expect(others).toBe(without);
  expect(some).not.toBe(without);
  expect(other).not.toBe(some);
  // Their ages differ, but not by an octave.
  expect(Math.abs(withOthers! - some!)).toBeLessThan(Math.abs(some! - without!));
  model.dispose();
});

it('a search for equal categories learns from items that are beyond the newest ones', async () => {
  const folder = scratchFolder();
  const [CATEGORIES, LENGTH] = [40, 40];
  // A click is likely if any item has the category of the candidate.
  const random = randomStream(1, 'long histories');
  const rowOf = (): string => {
    const history = Array.from({ length: LENGTH }, () => random.below(CATEGORIES));
    const cate = random.below(CATEGORIES);
    const click = Number(random.uniform() < (history.includes(cate) ? 0.8 : 0.05));
    return `${click},c${cate},${history.map((each) => `c${each}`).join('|')}`;
  };
  for (const [name, rows] of Object.entries({ train: 3000, valid: 500, test: 2000 }))
    writeFileSync(join(folder, `${name}.csv`), `click,cate,hist\n${Array.from({ length: rows }, rowOf).join('\n')}\n`);
  const aucOf = async (keep: string): Promise<number> => {
    const config = join(folder, 'long.yaml');
    writeFileSync(
      config,
      `seed: 1
data: { train: train.csv, valid: valid.csv, test: test.csv }
features:
  cate: { type: categorical, fields: [cate], width: 4, encoding: tokens }
  clicks:
    type: sequence
    fields: [{ name: hist, target: cate }]
    keep: ${keep}
    encoder: { name: target-attention, hidden: [8] }
tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [8] } }
training: { epochs: 5, batchSize: 100, optimizer: { dense: { learningRate: 0.01 } } }
`,
    );
    const { metrics } = await trainSmall(config, { runDir: join(folder, 'runs', keep.replaceAll(/\W/g, '')) });
    return metrics['test']!['ctr']!.auc as number;
  };
  const [newest, searched] = [await aucOf('{ last: 5 }'), await aucOf('{ last: 5, matching: hist }')];
  expect(searched).toBeGreaterThan(0.8);
  expect(newest).toBeLessThan(0.7);
});
