import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import config from '../vitest.config.js';
import { requireBuild } from './support/require-build.js';
import { scratchFolder } from './support/scratch.js';

const CUDA_PACKAGE = '@tensorflow/tfjs-node-gpu';

/**
 * What the real npm would do, told and played: `ci` brings the package, `run build` builds, `rebuild` does as it is
 * told.
 */
const NPM = `#!/bin/sh
echo "$@" >> npm.log
case "$1" in
  ci) mkdir -p node_modules/${CUDA_PACKAGE};;
  run)
    mkdir -p "$5/engines/cpu/native"
    echo 'export const buildAddon = () => ({ path: "", isNew: false });' > "$5/engines/cpu/native/build.js"
    echo 'export const findPrebuilt = () => undefined;' > "$5/engines/cpu/native/prebuilt.js"
    touch "$5/.built";;
  rebuild) exit \${REBUILD:-0};;
esac
`;

/**
 * Sets up a clone that has nothing yet, on a machine with this driver; twice, since the second time nothing is stale.
 */
function setUp({ hasDriver, rebuild = 0 }: { readonly hasDriver: boolean; readonly rebuild?: number }): {
  readonly calls: readonly string[];
  readonly status: number | null;
  readonly said: string;
} {
  const root = scratchFolder();
  const tools = join(root, 'tools');
  for (const folder of ['bin', 'src', 'node_modules', 'tools']) mkdirSync(join(root, folder));
  for (const file of ['package.json', 'package-lock.json', 'tsconfig.build.json', 'src/index.ts'])
    writeFileSync(join(root, file), '{ "type": "module" }');
  for (const file of ['setup.js', 'staleness.js'])
    cpSync(join(import.meta.dirname, '..', 'bin', file), join(root, 'bin', file));
  for (const [name, script] of [
    ['npm', NPM],
    ['nvidia-smi', `#!/bin/sh\nexit ${hasDriver ? 0 : 9}\n`],
  ] as const) {
    writeFileSync(join(tools, name), script);
    chmodSync(join(tools, name), 0o755);
  }
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env['PATH']}`, REBUILD: String(rebuild) };
  const [first, second] = [1, 2].map(() =>
    spawnSync(process.execPath, ['bin/setup.js'], { cwd: root, env, encoding: 'utf8' }),
  );
  expect([second!.status, second!.stderr]).toEqual([0, '']);
  return {
    calls: readFileSync(join(root, 'npm.log'), 'utf8').trim().split('\n'),
    status: first!.status,
    said: first!.stderr,
  };
}

describe.runIf(process.platform === 'linux')('what a clone installs', () => {
  const CI = 'ci --ignore-scripts --no-audit --no-fund --loglevel=error';
  const BUILD = expect.stringMatching(/^run --silent build /) as string;

  it.skipIf(existsSync('/proc/driver/nvidia/version'))(
    'fetches no TensorFlow for CUDA where there is no driver',
    () => {
      expect(setUp({ hasDriver: false })).toEqual({
        calls: [CI, BUILD],
        status: 0,
        said: expect.not.stringContaining('CUDA') as string,
      });
    },
  );

  it('reports what it does and how long that takes, on stderr alone', () => {
    expect(setUp({ hasDriver: false }).said.split('\n')).toEqual([
      'mtl: installing packages …',
      'mtl: building (about a minute) …',
      'mtl: building native kernels …',
      '',
    ]);
  });

  it('fetches it where there is one, and says so', () => {
    expect(setUp({ hasDriver: true })).toEqual({
      calls: [CI, `rebuild ${CUDA_PACKAGE} --foreground-scripts`, BUILD],
      status: 0,
      said: expect.stringContaining('NVIDIA driver found: downloading TensorFlow for CUDA 11') as string,
    });
  });

  it('goes on where that fails, and says what else there is', () => {
    const { status, said } = setUp({ hasDriver: true, rebuild: 1 });
    expect([status, said]).toEqual([
      0,
      expect.stringMatching(
        /TensorFlow for CUDA 11 is not available \('npm rebuild .*' failed; see its output above\); run npx mtl setup-cuda/,
      ) as string,
    ]);
  });
});

describe('a test run', () => {
  it('is refused where the build that threads load is older than the sources that tests load', () => {
    const root = scratchFolder();
    for (const folder of ['src/deep', 'dist', 'node_modules']) mkdirSync(join(root, folder), { recursive: true });
    const files = ['src/index.ts', 'src/deep/file.ts', 'tsconfig.build.json', 'node_modules/.installed', 'dist/.built'];
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
