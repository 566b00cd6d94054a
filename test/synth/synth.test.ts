/** @module-tag long */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HEADER } from '../../src/synth/ali-ccp.js';
import { ByteFile } from '../../src/synth/byte-file.js';
import { PRESETS } from '../../src/synth/presets.js';
import { synth } from '../../src/synth.js';
import { VOCABULARY } from '../../bench/workloads.js';
import { mtl } from '../support/mtl.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const sample = join(import.meta.dirname, '..', '..', 'data', 'sample');
const small = { users: 50, items: 40, rates: { click: 0.25, purchase: 0.2 } };

describe('mtl synth', () => {
  it('reproduces data/sample bitwise, with the same oracle metrics', async () => {
    const folder = scratchFolder();
    expect((await mtl(folder, ['synth', 'sample'])).code).toBe(0);
    for (const file of ['train.csv', 'valid.csv', 'test.csv']) {
      expect(readFileSync(join(folder, 'sample', file)).equals(readFileSync(join(sample, file))), file).toBe(true);
    }
    // A metric that is newer than the file stands in the new one alone.
    const [made, stored] = [join(folder, 'sample'), sample].map(
      (place) => JSON.parse(readFileSync(join(place, 'oracle.json'), 'utf8')) as object,
    );
    expect(made).toMatchObject(stored!);
  });

  it('replaces its own files, and never files of other origin', async () => {
    const folder = scratchFolder();
    const make = (seed: number) => synth({ ...small, folder, seed, rows: { train: 10, valid: 10 } });
    await make(1);
    await make(2);
    rmSync(join(folder, 'oracle.json'));
    rmSync(join(folder, 'train.csv'));
    writeFileSync(join(folder, 'valid.csv'), 'mine');
    await expect(make(3)).rejects.toMatchObject({
      exitCode: 2,
      message:
        `${folder}: contains valid.csv without the oracle.json of generated data, ` +
        'so it may not be from mtl synth; use a new directory, or remove that file',
    });
    expect(readdirSync(folder)).toEqual(['valid.csv']);
    expect(readFileSync(join(folder, 'valid.csv'), 'utf8')).toBe('mine');
  });

  it('overwrites the remains of an interrupted run', async () => {
    const folder = scratchFolder();
    const make = (onProgress: (split: string) => void = () => undefined) =>
      synth({ ...small, folder, seed: 1, rows: { train: 10, valid: 10 }, onProgress });
    const ended = new Error('ended');
    await expect(
      make((split) => {
        if (split === 'valid') throw ended;
      }),
    ).rejects.toBe(ended);
    expect(readdirSync(folder)).toContain('train.csv');
    await make();
    expect(readdirSync(folder).sort()).toEqual(['oracle.json', 'train.csv', 'valid.csv']);
  });

  it('follows the rates, the header, integer ids and the funnel', async () => {
    const folder = scratchFolder();
    await synth({ ...small, folder, seed: 5, rows: { train: 20_000 }, rates: { click: 0.1, purchase: 0.3 } });
    const [header, ...rows] = readFileSync(join(folder, 'train.csv'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
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

  it('generates different rows for another split and another seed', async () => {
    const folder = scratchFolder();
    await synth({ ...small, folder, seed: 1, rows: { a: 200, b: 200 } });
    const other = scratchFolder();
    await synth({ ...small, folder: other, seed: 2, rows: { a: 200 } });
    const [a, b, c] = [join(folder, 'a.csv'), join(folder, 'b.csv'), join(other, 'a.csv')].map((path) =>
      readFileSync(path, 'utf8'),
    );
    expect(new Set([a, b, c]).size).toBe(3);
  });

  it('writes bags of distinct weighted ids that start with the single value, and all else unchanged', async () => {
    const folders = [scratchFolder(), scratchFolder()] as const;
    const options = { ...small, items: 4000, seed: 3, rows: { train: 2000 } };
    await synth({ ...options, folder: folders[0] });
    await synth({ ...options, folder: folders[1], bagMean: 12 });
    const [plain, bags] = folders.map((folder) =>
      readFileSync(join(folder, 'train.csv'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.split(',')),
    );
    const multi = new Set(
      ['210', '853', '109_14', '110_14', '127_14', '150_14'].map((field) =>
        HEADER.indexOf(field as (typeof HEADER)[number]),
      ),
    );
    let values = 0;
    for (let r = 1; r < plain!.length; r++) {
      for (const [c, cell] of bags![r]!.entries()) {
        if (!multi.has(c)) expect(cell).toBe(plain![r]![c]);
        else {
          const items = cell === '' ? [] : cell.split('|');
          for (const item of items) expect(item).toMatch(/^[1-9]\d*:\d(\.\d{1,4})?$/);
          const ids = items.map((item) => item.split(':')[0]);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids[0] ?? '0').toBe(plain![r]![c]);
          if (c === HEADER.indexOf('110_14')) values += ids.length;
        }
      }
    }
    expect(values / 2000).toBeGreaterThan(8);
    expect(values / 2000).toBeLessThan(14);
  });

  it('has a preset with the rates and id counts of Ali-CCP', async () => {
    const folder = scratchFolder();
    const { users, items, rates } = PRESETS['ali-ccp'];
    await synth({ folder, seed: 1, users, items, rates, preset: 'ali-ccp', rows: { train: 60_000 } });
    const rows = readFileSync(join(folder, 'train.csv'), 'utf8')
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',').map(Number));
    expect(rows.filter(([click]) => click === 1).length / rows.length).toBeCloseTo(0.039, 2);
    // Of the combination fields, only what users have a history with.
    const combinations = new Map([
      ['508', 6000],
      ['509', 100_000],
      ['702', 32_000],
      ['853', 54_000],
    ]);
    for (const [c, field] of HEADER.entries()) {
      const size = combinations.get(field) ?? VOCABULARY[field];
      if (size === undefined) continue;
      const largest = rows.reduce((most, row) => Math.max(most, row[c]!), 0);
      expect(largest).toBeLessThanOrEqual(size);
      if (!combinations.has(field)) expect(largest).toBeGreaterThan(size * 0.75);
    }
  });

  it('formats decimals like JavaScript', () => {
    const path = scratchFile('numbers', '');
    const file = new ByteFile(path);
    const numbers = Array.from({ length: 20_002 }, (_, i) => i);
    for (const number of numbers) {
      file.reserve(20);
      file.tenThousandths(number);
      file.byte(10);
    }
    for (const number of [0, 9, 10, 99, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1]) {
      file.whole(number);
      file.byte(10);
    }
    file.close();
    const wholes = ['0', '9', '10', '99', '2147483647', '2147483648', '9007199254740991'];
    expect(readFileSync(path, 'utf8')).toBe(
      [...numbers.map((number) => String(number / 10_000)), ...wholes, ''].join('\n'),
    );
  });

  it('reports oracle metrics that are better than chance', async () => {
    const oracle = await synth({ ...small, folder: scratchFolder(), seed: 1, rows: { test: 5000 } });
    for (const output of ['ctr', 'cvr', 'ctcvr']) expect(oracle['test']![output]!['auc']).toBeGreaterThan(0.65);
  });
});
