import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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
