/** @module-tag nightly */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageName, thisPlatform } from '../../src/engines/cpu/native/prebuilt.js';
import { needsPython } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const ROOT = join(import.meta.dirname, '../..');
const BUILD_MS = 600_000;

describe('bin/prebuild.js', () => {
  it('compiles a package whose kernels pass the tests of native kernels', { timeout: 2 * BUILD_MS }, (context) => {
    needsPython(context, 'ziglang');
    const platform = thisPlatform() ?? context.skip(`no package for ${process.platform} on ${process.arch}`);
    const out = scratchFolder();
    execFileSync(process.execPath, ['bin/prebuild.js', platform, '--out', out], {
      cwd: ROOT,
      stdio: 'pipe',
      timeout: BUILD_MS,
    });
    const main = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string; version: string };
    const name = packageName(main.name, platform);
    const manifest = JSON.parse(readFileSync(join(out, platform, 'package.json'), 'utf8')) as object;
    expect(manifest).toMatchObject({ name, version: main.version, os: [process.platform], cpu: [process.arch] });

    // Node also resolves packages in the directories of NODE_PATH.
    cpSync(join(out, platform), join(out, 'node_modules', name), { recursive: true });
    const env = { ...process.env, NODE_PATH: join(out, 'node_modules'), MTL_KERNELS: 'native', CC: '/nowhere/cc' };
    const run = (...args: readonly string[]): { readonly status: number | null; readonly output: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, env, encoding: 'utf8' });
      return { status, output: `${stdout}${stderr}` };
    };
    expect(run('bin/mtl.js', 'doctor').output).toMatch(new RegExp(`native kernels for .*, from ${name}\\b`));
    const suites = ['native-proof', 'step'].map((suite) => `test/engines/${suite}.test.ts`);
    const tests = run('node_modules/vitest/vitest.mjs', 'run', '--no-isolate', '--tags-filter=!long', ...suites);
    expect(tests, tests.output).toMatchObject({ status: 0 });
  });

  it('rejects an unknown platform', () => {
    const { status, stderr } = spawnSync(process.execPath, ['bin/prebuild.js', 'linux-x86'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^mtl: unknown platform linux-x86; use linux-x64-gnu, /),
    ]);
  });
});
