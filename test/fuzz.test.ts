/** @module-tag nightly */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

const root = join(import.meta.dirname, '..');

function fuzz(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['bin/fuzz.js', ...args], { cwd: root, encoding: 'utf8' });
}

describe('npm run fuzz', () => {
  it('runs the tests that match, and prints the seed', { timeout: 120_000 }, () => {
    const { status, stdout } = fuzz('--minutes', '0', '--seed', '7', 'text/number-text');
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^fuzz: seed 7, 1 test files\n[^]*1 passed/)]);
  });

  it('reports how to repeat a round that fails', { timeout: 120_000 }, () => {
    // An invalid number of cases makes a test file fail without tests.
    const { status, stderr } = fuzz('--minutes', '0', '--cases', '0', '--seed', '7', 'data/fuzz');
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining('to repeat this round: npm run fuzz -- --minutes 0 --cases 0 --seed 7 data/fuzz'),
    ]);
  });

  it('rejects options and files that do not exist', () => {
    for (const args of [['--seed', 'x'], ['--minutes', '-1'], ['--round', '1'], ['no-such-file']])
      expect([args, fuzz(...args)]).toEqual([args, expect.objectContaining({ status: 2, stdout: '' })]);
  });

  it('gives properties their seed', async () => {
    onTestFinished(() => fc.resetConfigureGlobal());
    const draw = async (seed: string): Promise<readonly number[]> => {
      vi.stubEnv('MTL_FUZZ_SEED', seed);
      vi.resetModules();
      await import('./support/seed-fast-check.js');
      return fc.sample(fc.integer(), 5);
    };
    const first = await draw('7');
    expect(await draw('8')).not.toEqual(first);
    expect(await draw('7')).toEqual(first);
  });
});
