/** @module-tag long */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mtl } from '../support/mtl.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-importance-'));
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), { runDir: join(world, 'run'), set: ['training.epochs=1'] });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

describe('mtl importance', () => {
  it('prints a table, writes a chart and a config, and with --json one object', async () => {
    const { code, stdout, stderr } = await mtl(world, [
      'importance',
      'run',
      '--repeats',
      '2',
      '--out',
      'found.svg',
      '--drop-worst',
      '2',
      '--config',
      'smaller.yaml',
      '--json',
    ]);
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /after \d+ steps; valid: 300 of 300 rows, 2 permutations each, seed 2026\n {2}field, drop of +ctr\.auc +cvr\.auc +cvr_all\.auc +ctcvr\.auc\n {2}unpermuted( +0\.\d{4}){4}\n( {2}\d+( +-?0\.\d{4} ± 0\.\d{4}){4}\n){5}written to found\.svg\nwithout \d+, \d+: smaller\.yaml; npx mtl train smaller\.yaml\n$/,
      ),
    ]);
    const found = JSON.parse(stdout) as {
      importances: { name: string }[];
      proposal: { leftOut: string[]; config: string };
    };
    expect(found).toMatchObject({
      run: 'run',
      out: 'found.svg',
      split: 'valid',
      rows: 300,
      repeats: 2,
      rank: 'ctcvr.auc',
    });
    expect(found.proposal.leftOut).toEqual(
      found.importances
        .map(({ name }) => name)
        .slice(3)
        .reverse(),
    );
    expect(readFileSync(join(world, 'smaller.yaml'), 'utf8')).toBe(found.proposal.config);
    expect(readFileSync(join(world, 'found.svg'), 'utf8')).toContain('Permutation importance of the fields of run');
    expect(
      (await mtl(world, ['train', 'smaller.yaml', '--set', 'training.epochs=1', '--run-dir', 'smaller'])).code,
    ).toBe(0);
  });

  it('prints the proposed config without --config, and permutes groups', async () => {
    const { code, stdout } = await mtl(world, ['importance', 'run', '--repeats', '1', '--groups', '--drop-worst', '1']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        /1 permutation each, seed 2026\n {2}group, drop of [^]*\n {2}(user|item)( +-?0\.\d{4}){4}\n[^]*without (user|item):\n(.*\n)*tasks:\n/,
      ),
    ]);
  });

  it('rejects an unsupported output file before it measures', async () => {
    expect(await mtl(world, ['importance', 'run', '--out', 'found.png'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('--out: expected a file name that ends in .svg, .json or .csv') as string,
    });
    expect(await mtl(world, ['importance', 'run', '--config', 'other.yaml'])).toMatchObject({
      code: 2,
      stderr: 'error: --config: requires --drop-worst; add the number of fields to drop, as in --drop-worst 3\n',
    });
    expect(await mtl(world, ['importance', 'run', '--drop-worst', '5', '--config', 'other.yaml'])).toMatchObject({
      code: 2,
      stderr: 'error: --drop-worst: expected fewer than the 5 existing ones, found 5\n',
    });
    expect(existsSync(join(world, 'other.yaml'))).toBe(false);
  });
});
