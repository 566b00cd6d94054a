import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { start } from '../../src/cli/start.js';
import { scratchFolder } from '../support/scratch.js';

/** A file of a bundle, as bin/bundle.js builds it. */
function writeScript(bundle: string, name: string, text: string): void {
  writeFileSync(
    join(bundle, name),
    `(function (exports, require, module, __filename, __dirname, importModule) {${text}\n})`,
  );
}

/** A bundle of two files whose command prints its arguments and returns an exit code. */
function bundleOf(said: string, id: string, folder = scratchFolder()): string {
  writeScript(
    folder,
    'main.cjs',
    `exports.main = async (args) => { const path = await importModule('node:path'); ` +
      `globalThis.said.push(require('./other-1.cjs').say(args), path.basename(__filename), ` +
      `require('./other-1.cjs') === require('./other-1.cjs')); return 7; };`,
  );
  writeScript(
    folder,
    'other-1.cjs',
    `const { sep } = require('node:path'); exports.say = (args) => [${JSON.stringify(said)}, ...args].join(sep);`,
  );
  writeFileSync(join(folder, 'id'), id);
  return folder;
}

const said: unknown[] = [];
let cache: string;
beforeEach(() => {
  said.length = 0;
  vi.stubGlobal('said', said);
  cache = scratchFolder();
  vi.stubEnv('XDG_CACHE_HOME', cache);
  vi.stubEnv('NODE_V8_COVERAGE', undefined);
  vi.stubEnv('NODE_DISABLE_COMPILE_CACHE', undefined);
});
const keptFiles = (): readonly string[] =>
  existsSync(join(cache, 'mtl', 'code')) ? readdirSync(join(cache, 'mtl', 'code')) : [];
const keptPath = (): string => join(cache, 'mtl', 'code', keptFiles()[0]!);
/** Identifies a file, to detect replacement. */
const inode = (): number => statSync(keptPath()).ino;

describe('starting the command', () => {
  it('runs the bundle and caches its bytecode for the next start', async () => {
    const bundle = bundleOf('one', 'a');
    expect(await start(['train', 'x'], bundle)).toBe(7);
    expect(said).toEqual(['one/train/x', 'main.cjs', true]);
    expect(keptFiles()).toEqual([expect.stringMatching(/^train-[0-9a-f]{16}$/)]);

    const before = inode();
    expect(await start(['train', 'y'], bundle)).toBe(7);
    expect(said.slice(3)).toEqual(['one/train/y', 'main.cjs', true]);
    expect(inode()).toBe(before);

    await start(['predict'], bundle);
    await start(['--help'], bundle);
    await start(['../../x'], bundle);
    expect(
      keptFiles()
        .map((name) => name.replace(/-[0-9a-f]{16}$/, ''))
        .sort(),
    ).toEqual(['mtl', 'predict', 'train']);
  });

  it('merges bytecode of all starts, except unknown commands, and removes files unused for a month', async () => {
    const bundle = scratchFolder();
    writeScript(
      bundle,
      'main.cjs',
      `exports.main = async ([, name]) => (name === 'typo' ? 2 : require('./' + name).exitCode);`,
    );
    for (const name of ['one.cjs', 'two.cjs'])
      writeScript(bundle, name, `exports.exitCode = 0; exports.much = () => ${JSON.stringify(name)};`);
    writeFileSync(join(bundle, 'id'), 'a');
    await start(['trian', 'typo'], bundle);
    expect(keptFiles()).toEqual([]);
    await start(['train', 'one.cjs'], bundle);
    await start(['train', 'two.cjs'], bundle);
    const both = inode();
    for (const name of ['one.cjs', 'two.cjs', 'one.cjs']) await start(['train', name], bundle);
    expect(inode()).toBe(both);

    const [old, used] = [join(cache, 'mtl', 'code', 'eval-0'), join(cache, 'mtl', 'code', 'eval-1')];
    for (const path of [old, used]) writeFileSync(path, '');
    const day = 24 * 3600;
    const now = Date.now() / 1000;
    utimesSync(old, now - 31 * day, now - 40 * day);
    utimesSync(used, now - 29 * day, now - 40 * day);
    await start(['predict', 'one.cjs'], bundle);
    expect([old, used].map((path) => existsSync(path))).toEqual([false, true]);
  });

  it('ignores the cache of another build, even with files of equal length', async () => {
    const bundle = bundleOf('one', 'a');
    await start(['train'], bundle);
    const before = inode();
    bundleOf('two', 'b', bundle);
    await start(['train'], bundle);
    expect([said[3], keptFiles().length, inode() === before]).toEqual(['two/train', 1, false]);
  });

  it.each([
    ['truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length - 100)],
    [
      'changed by a bit',
      (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === bytes.length - 50 ? byte ^ 1 : byte))),
    ],
    ['empty', () => Buffer.alloc(0)],
    ['another format', () => Buffer.from('{"a": 1}\n')],
  ])('compiles again and updates the cache if it is %s', async (_, damaged) => {
    const bundle = bundleOf('one', 'a');
    await start(['train'], bundle);
    const whole = readFileSync(keptPath());
    writeFileSync(keptPath(), damaged(whole));
    expect(await start(['train'], bundle)).toBe(7);
    expect([said[3], readFileSync(keptPath()).length]).toEqual(['one/train', whole.length]);
  });

  it('starts without a writable or enabled cache', async () => {
    const bundle = bundleOf('one', 'a');
    mkdirSync(join(cache, 'mtl'));
    writeFileSync(join(cache, 'mtl', 'code'), 'in the way');
    expect(await start(['train'], bundle)).toBe(7);
    for (const name of ['NODE_V8_COVERAGE', 'NODE_DISABLE_COMPILE_CACHE']) {
      vi.stubEnv('XDG_CACHE_HOME', (cache = scratchFolder()));
      vi.stubEnv(name, '1');
      expect([await start(['train'], bundle), keptFiles()]).toEqual([7, []]);
      vi.stubEnv(name, undefined);
    }
  });

  it('prints nothing of its own', () => {
    const bundle = bundleOf('one', 'a');
    const script =
      'globalThis.said = []; const { start } = await ' +
      `import(${JSON.stringify(join(import.meta.dirname, '..', '..', 'dist', 'cli', 'start.js'))}); ` +
      `process.exitCode = await start(['train'], ${JSON.stringify(bundle)});`;
    for (let i = 0; i < 2; i++) {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      });
      expect([status, stdout, stderr]).toEqual([7, '', '']);
    }
  });

  it('rethrows errors and caches nothing', async () => {
    const bundle = scratchFolder();
    writeScript(bundle, 'main.cjs', `exports.main = async () => {\n  throw new Error('no'); };`);
    writeFileSync(join(bundle, 'id'), 'a');
    const error = await start(['train'], bundle).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      message: 'no',
      stack: expect.stringContaining(`${join(bundle, 'main.cjs')}:2:9`) as string,
    });
    expect(keptFiles()).toEqual([]);
  });
});
