/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GROWING_CONFIG, growingRecords } from '../support/growing-log.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

interface Growth {
  readonly rows: number;
  readonly admitted: number;
  readonly expired: number;
  readonly evicted: number;
  readonly outOfVocabulary: number;
}

describe('training on a stream with a vocabulary that grows', () => {
  const records = growingRecords(6000);
  const writeUntil = (cwd: string, end: number): void => {
    mkdirSync(join(cwd, 'log'), { recursive: true });
    const lines = records.slice(0, end).map((text) => `${text}\n`);
    writeFileSync(join(cwd, 'log', 'part-0.jsonl'), lines.join(''));
  };
  const follow = ['train', 'stream.yaml', '--follow', '--until-end', '--no-report', '--run-dir'];

  it('gives the same bytes if it is resumed from deltas, on any number of threads', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'stream.yaml'), GROWING_CONFIG);
    for (const [end, threads] of [
      [1500, '1'],
      [1500, '2'],
      [4000, '2'],
      [Infinity, '1'],
    ] as const) {
      writeUntil(cwd, end);
      const { code, stderr } = await mtl(cwd, [...follow, 'parts', '--resume', 'auto', '--threads', threads]);
      expect([code, stderr]).toEqual([0, '']);
    }
    const whole = await mtl(cwd, [...follow, 'whole', '--threads', '2']);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    expect(whole.stdout.replace(/\s+/g, ' ')).toMatch(
      /item \d+ tokens, \d+ admitted, \d+ expired, \d+ evicted, \d+\.\d% out of vocabulary/,
    );
    const read = (run: string, path: string): string => readFileSync(join(cwd, run, path), 'latin1');
    const withoutTimes = (text: string): string =>
      text.replace(/"elapsedMs":[\d.e+-]+,?/g, '').replace(/"lag":\{[^}]*\},?/g, '');
    expect(withoutTimes(read('parts', 'metrics.jsonl'))).toBe(withoutTimes(read('whole', 'metrics.jsonl')));
    for (const run of ['parts', 'whole']) {
      const { code, stderr } = await mtl(cwd, ['predict', run, '--data', 'log', '--out', `${run}.csv`]);
      expect([code, stderr]).toEqual([0, expect.any(String)]);
    }
    expect(readFileSync(join(cwd, 'parts.csv'), 'utf8')).toBe(readFileSync(join(cwd, 'whole.csv'), 'utf8'));

    const windows = read('whole', 'metrics.jsonl')
      .split('\n')
      .filter((line) => line.includes('"vocabularies"'))
      .map((line) => (JSON.parse(line) as { readonly vocabularies: { readonly item: Growth } }).vocabularies.item);
    expect(windows.length).toBe(6);
    for (const { rows, admitted, outOfVocabulary } of windows) {
      expect(rows).toBeLessThanOrEqual(60);
      expect(outOfVocabulary).toBeGreaterThan(0);
      expect(admitted).toBeGreaterThan(0);
    }
    expect(windows.reduce((sum, { evicted }) => sum + evicted, 0)).toBeGreaterThan(5);
    expect(windows.reduce((sum, { expired }) => sum + expired, 0)).toBeGreaterThan(5);
  });

  it('refuses tokens that expire by a time that records do not have', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'stream.yaml'), GROWING_CONFIG.replace(', time: at, timeFormat: seconds', ''));
    writeUntil(cwd, 1500);
    const { code, stderr } = await mtl(cwd, [...follow, 'timeless']);
    expect([code, stderr]).toEqual([2, expect.stringContaining("field 'item': has tokens that expire by the time")]);
  });
});
