import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import config from '../vitest.config.js';
import { requireBuild } from './support/require-build.js';
import { scratchFolder } from './support/scratch.js';

/** Plays npm. */
const NPM = '#!/bin/sh\necho "npm $@" >> calls.log\n';
/** Plays the build. */
const BUILD = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
const [, , out] = process.argv;
appendFileSync('calls.log', 'build ' + out + '\\n');
mkdirSync(out + '/engines/cpu/native', { recursive: true });
writeFileSync(out + '/engines/cpu/native/build.js', 'export const buildAddon = () => ({ path: "", isNew: false });');
writeFileSync(out + '/engines/cpu/native/prebuilt.js', 'export const findPrebuilt = () => undefined;');
writeFileSync(out + '/.built', '');
`;

/** Sets up a clone that has nothing yet; twice, since the second time nothing is stale. */
function setUp(): { readonly calls: readonly string[]; readonly status: number | null; readonly printed: string } {
  const root = scratchFolder();
  const tools = join(root, 'tools');
  for (const folder of ['bin', 'src', 'node_modules', 'tools']) mkdirSync(join(root, folder));
  for (const file of ['package.json', 'package-lock.json', 'src/index.ts'])
    writeFileSync(join(root, file), '{ "type": "module" }');
  for (const file of ['setup.js', 'staleness.js'])
    cpSync(join(import.meta.dirname, '..', 'bin', file), join(root, 'bin', file));
  writeFileSync(join(root, 'bin', 'build.js'), BUILD);
  writeFileSync(join(tools, 'npm'), NPM);
  chmodSync(join(tools, 'npm'), 0o755);
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env['PATH']}` };
  const [first, second] = [1, 2].map(() =>
    spawnSync(process.execPath, ['bin/setup.js'], { cwd: root, env, encoding: 'utf8' }),
  );
  expect([second!.status, second!.stderr]).toEqual([0, '']);
  return {
    calls: readFileSync(join(root, 'calls.log'), 'utf8').trim().split('\n'),
    status: first!.status,
    printed: first!.stderr,
  };
}

describe.runIf(process.platform === 'linux')('what a clone installs', () => {
  it('is the lock file, without install scripts and packages for GPUs', () => {
    expect(setUp()).toMatchObject({
      calls: [
        'npm ci --ignore-scripts --no-audit --no-fund --loglevel=error',
        expect.stringMatching(/^build \.dist-\d+$/) as string,
      ],
      status: 0,
    });
  });

  it('reports what it does, on stderr alone', () => {
    expect(setUp().printed.split('\n')).toEqual([
      'mtl: installing packages …',
      'mtl: building …',
      'mtl: building native kernels …',
      '',
    ]);
  });
});

describe('a test run', () => {
  it('is refused where the build that threads load is older than the sources that tests load', () => {
    const root = scratchFolder();
    for (const folder of ['src/deep', 'dist', 'node_modules']) mkdirSync(join(root, folder), { recursive: true });
    const files = ['src/index.ts', 'src/deep/file.ts', 'node_modules/.installed', 'dist/.built'];
    const age = (file: string, seconds: number): void => utimesSync(join(root, file), seconds, seconds);
    for (const file of files) {
      writeFileSync(join(root, file), '');
      age(file, 1000);
    }
    expect(() => requireBuild(root)).not.toThrow();
    for (const file of files.slice(0, -1)) {
      age(file, 2000);
      expect(() => requireBuild(root), file).toThrow('dist/ is older than src/; run node bin/setup.js');
      age(file, 1000);
    }
    expect(config.test!.globalSetup).toEqual(['test/support/require-build.ts']);
  });
});
