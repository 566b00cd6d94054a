import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import config from '../vitest.config.js';
import { requireBuild } from './support/require-build.js';
import { scratchFolder } from './support/scratch.js';

/** Plays npm, which lists what it has installed. */
const NPM = `#!/bin/sh
echo "npm $@" >> calls.log
sleep 0.3
cp package-lock.json node_modules/.package-lock.json
`;
/** Plays the build, whose native kernels take part in it. */
const BUILD = `
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
const [, , out] = process.argv;
appendFileSync('calls.log', 'build ' + out + '\\n');
for (const folder of ['command', 'engines/cpu/native']) mkdirSync(out + '/' + folder, { recursive: true });
writeFileSync(out + '/engines/cpu/native/build.js', 'export const buildAddon = ({ onBuild }) => (onBuild(), {});');
writeFileSync(out + '/engines/cpu/native/prebuilt.js', 'export const findPrebuilt = () => undefined;');
writeFileSync(out + '/command/start.cjs', 'exports.start = () => 0;');
writeFileSync(out + '/.built', '');
`;
const INSTALL = 'npm ci --ignore-scripts --no-audit --no-fund --loglevel=error';
const LOCKED = { version: '1.0.0', integrity: 'sha512-a' };
const LOCK = {
  packages: {
    '': { devDependencies: { a: '1.0.0' } },
    'node_modules/a': LOCKED,
    'node_modules/for-windows': { ...LOCKED, optional: true },
  },
};
const MANIFEST = { type: 'module', devDependencies: { a: '1.0.0' } };

/** Returns a clone with nothing installed or built, whose scripts note what they call. */
function makeClone() {
  const root = scratchFolder();
  const tools = join(root, 'tools');
  for (const folder of ['bin', 'src', 'node_modules', 'tools']) mkdirSync(join(root, folder));
  const write = (file: string, content: object): void => writeFileSync(join(root, file), JSON.stringify(content));
  write('package.json', MANIFEST);
  write('package-lock.json', LOCK);
  write('src/index.ts', {});
  for (const file of ['mtl.js', 'setup.js', 'prepare-clone.js', 'setup-lock.js', 'staleness.js'])
    cpSync(join(import.meta.dirname, '..', 'bin', file), join(root, 'bin', file));
  writeFileSync(join(root, 'bin', 'build.js'), BUILD);
  writeFileSync(join(tools, 'npm'), NPM);
  chmodSync(join(tools, 'npm'), 0o755);
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env['PATH']}` };
  const run = async (script: string): Promise<{ readonly status: number; readonly printed: string }> => {
    const child = spawn(process.execPath, [`bin/${script}`], { cwd: root, env, stdio: ['ignore', 'inherit', 'pipe'] });
    let printed = '';
    child.stderr.on('data', (text: Buffer) => (printed += String(text)));
    const [status] = (await once(child, 'close')) as [number];
    return { status, printed };
  };
  const calls = (): readonly string[] => readFileSync(join(root, 'calls.log'), 'utf8').trim().split('\n');
  return { root, write, run, calls };
}

const aBuild = expect.stringMatching(/^build \.dist-\d+$/) as string;

describe.runIf(process.platform === 'linux')('what a clone installs', () => {
  it('is the lock file, without install scripts and packages for GPUs, once', async () => {
    const { run, calls } = makeClone();
    expect(await run('setup.js')).toMatchObject({ status: 0 });
    expect(await run('mtl.js')).toEqual({ status: 0, printed: '' });
    expect(calls()).toEqual([INSTALL, aBuild]);
  });

  it('is reported on stderr, and a command leaves the native kernels to the background', async () => {
    const lines = 'mtl: installing packages …\nmtl: building …\n';
    expect((await makeClone().run('mtl.js')).printed).toBe(lines);
    expect((await makeClone().run('setup.js')).printed).toBe(
      `${lines}mtl: compiling native kernels, once per machine, for about a minute …\n`,
    );
  });

  it('is accepted from any program that installed the packages of the lock file', async () => {
    const { write, run, calls } = makeClone();
    // Optional packages of other platforms are missing.
    write('node_modules/.package-lock.json', { packages: { 'node_modules/a': LOCKED, 'node_modules/b': LOCKED } });
    await run('mtl.js');
    expect(calls()).toEqual([aBuild]);
  });

  it.each([
    ['another version', { version: '0.9.0', integrity: 'sha512-a' }, MANIFEST],
    ['another content', { version: '1.0.0', integrity: 'sha512-b' }, MANIFEST],
    ['no such package', undefined, MANIFEST],
    ['a dependency that the lock file lacks', LOCKED, { ...MANIFEST, devDependencies: { a: '1.0.0', b: '1.0.0' } }],
  ])('is installed again for %s', async (_, installed, manifest) => {
    const { write, run, calls } = makeClone();
    write('package.json', manifest);
    write('node_modules/.package-lock.json', { packages: { 'node_modules/a': installed } });
    await run('mtl.js');
    expect(calls()).toEqual([INSTALL, aBuild]);
  });

  it('is installed and built by one of several first commands, for which the others wait', async () => {
    const { root, run, calls } = makeClone();
    const ended = await Promise.all([run('mtl.js'), run('mtl.js'), run('mtl.js')]);
    expect(ended.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(calls()).toEqual([INSTALL, aBuild]);
    const waiting = 'mtl: another process prepares this clone; waiting for it …\n';
    const others = ended.map(({ printed }) => printed).filter((printed) => !printed.includes('installing packages'));
    expect(others).toHaveLength(2);
    // A process that starts late finds a complete build.
    for (const printed of others) expect([waiting, '']).toContain(printed);
    expect(existsSync(join(root, '.setup.lock'))).toBe(false);
  });

  it('is prepared although a process was killed while it did so', { tags: ['long'] }, async () => {
    const { write, run, calls } = makeClone();
    write('.setup.lock', {});
    expect(await run('mtl.js')).toMatchObject({ status: 0 });
    expect(calls()).toEqual([INSTALL, aBuild]);
  });
});

describe('a test run', () => {
  it('is refused where the build that threads load is older than the sources that tests load', () => {
    const root = scratchFolder();
    for (const folder of ['src/deep', 'dist', 'node_modules']) mkdirSync(join(root, folder), { recursive: true });
    const files = ['src/index.ts', 'src/deep/file.ts', 'node_modules/.package-lock.json', 'dist/.built'];
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
