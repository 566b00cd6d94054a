import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { check, type CheckResult } from '../../src/check.js';
import { mtl } from '../support/mtl.js';
import { smallWorld } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-check-'));
  await smallWorld(world);
});
const checked = (set: readonly string[] = [], sampleRows = 10_000): Promise<CheckResult> =>
  check({ path: join(world, 'esmm.yaml'), set, sampleRows, device: 'cpu', threads: 1, onWarning: () => undefined });

describe('mtl check', () => {
  it('reports the data, the model and a step, and writes nothing', async () => {
    const before = readdirSync(world, { recursive: true }).sort();
    const { data, isCut, step, disk } = await checked();
    expect(readdirSync(world, { recursive: true }).sort()).toEqual(before);
    expect(isCut).toBe(false);
    expect(data.splits.map(({ split, rows }) => [split, rows])).toEqual([
      ['train', 900],
      ['valid', 300],
      ['test', 300],
    ]);
    expect(data.splits[0]!.tasks['ctr']!.mean).toBeGreaterThan(0.1);
    expect(step.rows).toBe(64);
    expect(step.loss.total).toBeGreaterThan(0.3);
    expect(step.size.numWeights).toBeGreaterThan(100);
    expect(disk.freeBytes).toBeGreaterThan(disk.checkpointBytes);
  });

  it('prints the number of warnings, and each once', async () => {
    const [header, ...lines] = readFileSync(join(world, 'valid.csv'), 'utf8').split('\n');
    const negative = lines.map((line) => line.replace(/^\d,\d,/, '0,0,'));
    writeFileSync(join(world, 'negative.csv'), [header, ...negative].join('\n'));
    const { stdout, code } = await mtl(world, ['check', 'esmm.yaml', '--set', 'data.valid=negative.csv']);
    expect(code).toBe(0);
    const warning = 'every label of ctr in valid is 0; a model cannot be measured on a single class';
    expect(stdout.split(warning)).toHaveLength(2);
    expect(stdout).toMatch(/\nno errors; \d+ warnings above; nothing written; train with: npx mtl train esmm\.yaml\n$/);
  });

  it('names the command that writes a config if it gets a data file', async () => {
    const { stderr, code } = await mtl(world, ['check', 'train.csv']);
    expect(code).toBe(2);
    expect(stderr).toBe(
      'error: train.csv: is a data file, not a config; write a config with npx mtl init --data train.csv\n',
    );
  });

  it('reports all problems at once: in the config, headers and rows', async () => {
    const lines = readFileSync(join(world, 'train.csv'), 'utf8').split('\n');
    const [click, purchase] = ['0', '1'];
    writeFileSync(
      join(world, 'bad.csv'),
      [
        lines[0],
        lines[1]!.replace(/^\d,\d,/, '0,0,x'),
        ...lines.slice(2, 50),
        [click, purchase, ...lines[50]!.split(',').slice(2)].join(','),
        ...lines.slice(51),
      ].join('\n'),
    );
    const attempt = checked([`data.train=${world}/bad.csv`, 'training.epochs=0', 'modle={}']);
    await expect(attempt).rejects.toMatchObject({ kind: 'config' });
    await expect(attempt).rejects.toThrow(
      /training\.epochs[^]*modle: unknown key[^]*bad\.csv:2: column "101": expected an integer id[^]*bad\.csv:51/,
    );
    await expect(checked(['data.test=none.csv', 'features.user.fields=[1010]'])).rejects.toThrow(/1010[^]*none\.csv/);
    // Skipped invalid rows are no problem.
    expect(
      (await checked([`data.train=${world}/bad.csv`, 'data.onBadRow=skip'])).data.warnings.filter((warning) =>
        warning.includes('invalid row'),
      ),
    ).toHaveLength(2);
  });

  it('reads a sample of a large file and reports it', async () => {
    const [header, ...rows] = readFileSync(join(world, 'train.csv'), 'utf8').trimEnd().split('\n');
    writeFileSync(join(world, 'large.csv'), `${[header, ...Array<string[]>(12).fill(rows).flat()].join('\n')}\n`);
    const { isCut, data } = await checked([`data.train=${world}/large.csv`], 500);
    expect(isCut).toBe(true);
    expect(data.splits[0]!.rows).toBeGreaterThanOrEqual(500);
    expect(data.splits[0]!.rows).toBeLessThan(10_800);
  });
});
