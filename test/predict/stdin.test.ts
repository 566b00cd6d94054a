/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BIN } from '../support/mtl.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-stdin-'));
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: join(world, 'run'), set: ['training.epochs=1'] });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

/** What is predicted: from a file where it is named, else from what is given to standard input. */
function predicted(
  input: string | Uint8Array,
  data = '-',
  ...more: string[]
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [BIN, 'predict', 'run', '--data', data, '--out', '-', '--keep', 'all', ...more], {
    cwd: world,
    input,
    encoding: 'utf8',
  });
}

/** The rows of test.csv as JSON, numbers as numbers. */
function jsonLines(): string {
  const [header, ...rows] = readFileSync(join(world, 'test.csv'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));
  const jsonOf = (cell: string): string => (/^(0|[1-9]\d*)(\.\d+)?$/.test(cell) ? cell : JSON.stringify(cell));
  const lineOf = (cells: readonly string[]): string =>
    cells.map((cell, c) => `${JSON.stringify(header![c])}:${jsonOf(cell)}`).join();
  return rows.map((cells) => `{${lineOf(cells)}}\n`).join('');
}

describe('mtl predict --data -', () => {
  it('predicts the same as from a file, with all columns, as CSV, JSON Lines, or compressed', () => {
    const csv = readFileSync(join(world, 'test.csv'));
    const fromFile = predicted('', 'test.csv').stdout;
    expect(fromFile.trimEnd().split('\n')).toHaveLength(301);
    expect(predicted(csv).stdout).toBe(fromFile);
    expect(predicted(gzipSync(csv)).stdout).toBe(fromFile);
    expect(predicted(jsonLines()).stdout).toBe(fromFile);
    expect(predicted(jsonLines(), '-', '--format', 'jsonl').stdout).toBe(fromFile);
    writeFileSync(join(world, 'test.jsonl'), jsonLines());
    expect(predicted('', 'test.jsonl').stdout).toBe(fromFile);
  });

  it('keeps the position of invalid rows, and reports a key that would be lost', () => {
    const [first, second] = jsonLines().split('\n');
    const { stdout, status } = predicted(`${first}\nnot json\n${second}\n`, '-', '--on-bad-row', 'skip');
    expect(status).toBe(0);
    expect(stdout.split('\n')[2]).toMatch(/^,+$/);
    const lost = predicted(`${`${first}\n`.repeat(2000)}${first!.replace('{', '{"new":1,')}\n`);
    expect([lost.status, lost.stderr]).toEqual([
      3,
      expect.stringMatching(/-:2001: expected only keys that the first lines have, found "new"/),
    ]);
  });

  it('reports empty input', () => {
    const { status, stderr } = predicted('');
    expect([status, stderr]).toEqual([3, expect.stringContaining('-: is empty; expected a header and rows')]);
  });
});
