/** @module-tag long */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synth } from '../../src/synth.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

/** Writes raw data to `raw` of a directory, with one changed file. */
async function rawWith(file: string, change: (lines: string[]) => void): Promise<string> {
  const cwd = scratchFolder();
  await synth({
    folder: join(cwd, 'raw'),
    seed: 2,
    users: 40,
    items: 40,
    rates: { click: 0.3, purchase: 0.3 },
    rows: { train: 400, test: 100 },
    format: 'raw',
  });
  const path = join(cwd, 'raw', file);
  const lines = readFileSync(path, 'latin1').split('\n');
  change(lines);
  writeFileSync(path, lines.join('\n'), 'latin1');
  return cwd;
}

describe('mtl prepare ali-ccp with invalid raw files', () => {
  it.each([
    [
      'letters in an id',
      'sample_skeleton_train.csv',
      (line: string) => line.replace(/\x02\d+/, '\x02x1'),
      /error: raw\/sample_skeleton_train\.csv:7: expected an id: an integer in digits, found "x1"; correct the row, or raise --max-bad-rows/,
    ],
    [
      'an invalid click',
      'sample_skeleton_train.csv',
      (line: string) => line.replace(/^(\d+),\d/, '$1,2'),
      /sample_skeleton_train\.csv:7: expected the click: 0 or 1, found "2"/,
    ],
    [
      'a truncated line',
      'sample_skeleton_test.csv',
      (line: string) => line.slice(0, 20),
      /sample_skeleton_test\.csv:7: expected /,
    ],
    [
      'missing common features',
      'sample_skeleton_test.csv',
      (line: string) => line.replace(/,[\da-f]{16},/, ',0000000000000000,'),
      /sample_skeleton_test\.csv:7: expected an index of common features in raw\/common_features_test\.csv, found "0000000000000000"/,
    ],
    [
      'tabs for separators',
      'common_features_train.csv',
      (line: string) => line.replaceAll('\x02', '\t'),
      /common_features_train\.csv:7: expected features: field \\\\x02 id \\\\x03 value|common_features_train\.csv:7: expected one of the fields/,
    ],
    [
      'a wrong number of features',
      'common_features_test.csv',
      (line: string) => line.replace(/,\d+,/, ',5,'),
      /common_features_test\.csv:7: expected 5 features as the line declares, found/,
    ],
    [
      'an empty line',
      'common_features_test.csv',
      () => '',
      /common_features_test\.csv:7: expected the index of common features and a comma, found "the end of the line"/,
    ],
  ] as const)('rejects %s with exit code 3, file and line', async (_, file, change, message) => {
    const cwd = await rawWith(file, (lines) => (lines[6] = change(lines[6]!)));
    const { code, stdout, stderr } = await mtl(cwd, ['prepare', 'ali-ccp', 'raw', 'out']);
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([3, '']);
    expect(existsSync(join(cwd, 'out', 'summary.json'))).toBe(false);

    // A higher limit resumes from the finished pieces.
    const again = await mtl(cwd, ['prepare', 'ali-ccp', 'raw', 'out', '--max-bad-rows', '30', '--json']);
    expect(again.code).toBe(0);
    const { dropped } = JSON.parse(again.stdout) as { dropped: Record<string, { badRows: number }> };
    expect(dropped['train']!.badRows + dropped['test']!.badRows).toBeGreaterThan(0);
    expect(readFileSync(join(cwd, 'out', 'rejects.csv'), 'utf8')).toMatch(new RegExp(`${file},7,"?expected `));
  });

  it('escapes spreadsheet formulas in rejects.csv', async () => {
    const cwd = await rawWith('sample_skeleton_train.csv', (lines) => (lines[6] = '=HYPERLINK("x")'));
    expect((await mtl(cwd, ['prepare', 'ali-ccp', 'raw', 'out', '--max-bad-rows', '30'])).code).toBe(0);
    expect(readFileSync(join(cwd, 'out', 'rejects.csv'), 'utf8')).toMatch(
      /sample_skeleton_train\.csv,7,.*,"'=HYPERLINK\(""x""\)"\n/,
    );
  });

  it.each(['no JSON', '[]', 'null', '{"rows": 3}'])(
    'rejects a directory with the summary.json of another program (%s) and leaves it unchanged',
    async (summary) => {
      const cwd = await rawWith('sample_skeleton_test.csv', () => undefined);
      mkdirSync(join(cwd, 'out'));
      writeFileSync(join(cwd, 'out', 'summary.json'), summary);
      const { code, stderr } = await mtl(cwd, ['prepare', 'ali-ccp', 'raw', 'out']);
      expect([code, stderr]).toEqual([2, 'error: out: is not empty; use another directory, or remove this one\n']);
      expect(readdirSync(join(cwd, 'out'))).toEqual(['summary.json']);
    },
  );

  it('reports all missing files with the fix', async () => {
    const cwd = await rawWith('sample_skeleton_test.csv', () => undefined);
    rmSync(join(cwd, 'raw', 'sample_skeleton_test.csv'));
    rmSync(join(cwd, 'raw', 'common_features_train.csv'));
    const { code, stderr } = await mtl(cwd, ['prepare', 'ali-ccp', 'raw', 'out']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^error: raw\/common_features_train\.csv: no such file; unpack Tianchi's archives/),
      expect.stringMatching(/^error: raw\/sample_skeleton_test\.csv: no such file/),
    ]);
    expect(code).toBe(3);
    expect(existsSync(join(cwd, 'out'))).toBe(false);
  });

  it.each([
    ['an unknown field', ['--min-count', '10,999=3'], /--min-count: unknown field '999'; use one of 101, /],
    [
      'a maximum number of values for a single-valued field',
      ['--max-values', '205=3'],
      /--max-values: unknown field '205'; use one of 109_14, /,
    ],
    ['a maximum of 0 values', ['--max-values', '0'], /expected a positive integer/],
    ['a share of 1', ['--valid-share', '1'], /expected a number between 0 and 1/],
    ['other data', ['--threads', '0'], /--threads/],
  ] as const)('%s: exit code 2', async (_, args, message) => {
    const { code, stderr } = await mtl(scratchFolder(), ['prepare', 'ali-ccp', 'raw', 'out', ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
