import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VOCABULARY } from '../../bench/workloads.js';

const bench = join(import.meta.dirname, '..', '..', 'bench');
const run = (...args: string[]) => spawnSync(process.execPath, [join(bench, 'run.js'), ...args], { encoding: 'utf8' });

describe('npm run bench', () => {
  it('tells with --help of every bench there is, and what it measures', () => {
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    const names = readdirSync(bench)
      .filter((file) => file.endsWith('.bench.ts'))
      .map((file) => file.replace('.bench.ts', ''));
    expect(names).toContain('engine');
    for (const name of [...names, '--peers']) expect(stdout).toMatch(new RegExp(`^  ${name} +[A-Za-z][^/]{20}`, 'm'));
  });

  it('refuses a bench and an option that it does not have, and names those that it has', () => {
    expect(run('engin')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/unknown benchmark 'engin'; use .*engine/) as string,
    });
    expect(run('--peer')).toMatchObject({ status: 2, stderr: expect.stringContaining("'--peer'") as string });
  });

  it('gives the peers the vocabulary that mtl has', () => {
    const script = readFileSync(join(bench, 'peers', 'torch_peer.py'), 'utf8');
    const groups = [...script.matchAll(/^(?:USER|ITEM) = \{([^}]*)\}/gm)].map(([, entries]) => entries!).join();
    expect(
      Object.fromEntries([...groups.matchAll(/'(\w+)': (\d+)/g)].map(([, field, size]) => [field, Number(size)])),
    ).toEqual(VOCABULARY);
  });
});
