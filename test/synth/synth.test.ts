import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HEADER } from '../../src/synth/ali-ccp.js';
import { synth } from '../../src/synth.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const sample = join(import.meta.dirname, '..', '..', 'data', 'sample');
const small = { users: 50, items: 40, rates: { click: 0.25, purchase: 0.2 } };

describe('mtl synth', () => {
  it('makes data/sample again, byte for byte', async () => {
    const folder = scratchFolder();
    expect((await mtl(folder, ['synth', 'sample'])).code).toBe(0);
    for (const file of ['train.csv', 'valid.csv', 'test.csv', 'oracle.json']) {
      expect(readFileSync(join(folder, 'sample', file)).equals(readFileSync(join(sample, file))), file).toBe(true);
    }
  });

  it('keeps to the rates, the header, whole ids and the funnel', async () => {
    const folder = scratchFolder();
    await synth({ ...small, folder, seed: 5, rows: { train: 20_000 }, rates: { click: 0.1, purchase: 0.3 } });
    const [header, ...rows] = readFileSync(join(folder, 'train.csv'), 'utf8').trimEnd().split('\n').map((line) => line.split(','));
    expect(header).toEqual([...HEADER]);
    expect(rows).toHaveLength(20_000);
    const clicks = rows.filter(([click]) => click === '1');
    expect(Math.abs(clicks.length / 20_000 - 0.1)).toBeLessThan(0.01);
    expect(Math.abs(clicks.filter(([, purchase]) => purchase === '1').length / clicks.length - 0.3)).toBeLessThan(0.05);
    for (const cells of rows) {
      expect(cells).toHaveLength(HEADER.length);
      expect(cells[1] === '1' && cells[0] === '0').toBe(false);
      expect(cells.slice(2, 25).every((cell) => /^\d+$/.test(cell))).toBe(true);
      expect(cells.slice(25).every((cell) => Number(cell) >= 0 && Number(cell) <= 1)).toBe(true);
    }
  });

  it('draws other rows for another split and another seed', async () => {
    const folder = scratchFolder();
    await synth({ ...small, folder, seed: 1, rows: { a: 200, b: 200 } });
    const other = scratchFolder();
    await synth({ ...small, folder: other, seed: 2, rows: { a: 200 } });
    const [a, b, c] = [join(folder, 'a.csv'), join(folder, 'b.csv'), join(other, 'a.csv')].map((path) => readFileSync(path, 'utf8'));
    expect(new Set([a, b, c]).size).toBe(3);
  });

  it('tells what its own truth scores, better than chance', async () => {
    const oracle = await synth({ ...small, folder: scratchFolder(), seed: 1, rows: { test: 5000 } });
    for (const space of ['ctr', 'cvr', 'ctcvr']) expect(oracle['test']![space]!['auc']).toBeGreaterThan(0.65);
  });
});
