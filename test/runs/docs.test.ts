/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeBlocks, installHere } from '../support/code-blocks.js';
import { scratchFolder } from '../support/scratch.js';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'runs.md'), 'utf8');

describe('docs/runs.md', () => {
  it('has commands that do, one after the other, what is said of them', () => {
    const cwd = scratchFolder();
    installHere(cwd);
    const printed = new Map<string, string>();
    for (const line of codeBlocks(page).flatMap(({ text }) => text.trim().split('\n'))) {
      // npx itself would take half of the time.
      const { status, stdout, stderr } = spawnSync(line.replace('npx mtl', 'node_modules/.bin/mtl'), {
        cwd,
        shell: true,
        encoding: 'utf8',
        env: { ...process.env, MTL_RUNS: '' },
      });
      expect([status, stderr], line).toEqual([0, expect.not.stringContaining('error') as string]);
      printed.set(line, stdout);
    }
    const of = (part: string): string => [...printed].find(([line]) => line.includes(part))![1];
    expect(of('--quiet')).not.toContain('epoch');
    expect(JSON.parse(of('--log-level error'))).toMatchObject({ run: 'runs/esmm/silent' });
    expect(of('--last 3').trim().split('\n')).toHaveLength(4);
    expect(of('runs small').trim().split('\n')).toHaveLength(2);
    expect(readFileSync(join(cwd, 'runs.csv'), 'utf8').trim().split('\n')).toHaveLength(5);
    expect(of('diff runs/esmm/first runs/esmm/small')).toMatch(
      /model\.ctrTower\.hidden +\[32\] +\[16\](.|\n)*test {2}5,000 rows, predicted by both and paired/,
    );
    expect(of('--rows 2000')).toMatch(/2,000 sampled of 5,000 rows, predicted by both and paired/);
    expect(JSON.parse(of('--recorded'))).toMatchObject({ split: 'test', rows: null });
    expect(of('--resume runs/esmm/first')).toContain('epoch 3/3');
    expect(of('--resume auto')).toContain('there is no run to resume: starting a new one');
    expect(of('--dry-run')).toMatch(/nothing to remove|would be freed/);
    expect(of('runs rm')).toMatch(/ (kB|MB) are freed/);
    expect(existsSync(join(cwd, 'runs', 'esmm', 'quiet'))).toBe(false);

    // The table names every file that a run leaves, and no other.
    const named = [...page.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`([^`]+)`/g)].map(([, file]) => file!.replace(/\/$/, '')),
    );
    const left = readdirSync(join(cwd, 'runs', 'esmm', 'first')).map((file) => file.replace(/(tfevents)\..*/, '$1.*'));
    expect(left.sort()).toEqual(named.filter((file) => file !== 'rejects.csv').sort());
  }, 240_000);
});
