/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { hashKernels } from '../../src/engines/cpu/native/build.js';
import { findNative } from '../../src/engines/cpu/native/find.js';
import { choosePlatform, findPrebuilt, PLATFORMS, thisPlatform } from '../../src/engines/cpu/native/prebuilt.js';
import { SIGNATURES } from '../../src/engines/compile/kernel-signatures.js';
import { ADDON, needsAddon } from '../support/native.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const ROOT = join(import.meta.dirname, '../..');
const NAME = '@company/mtl-linux-arm64-musl';

/** Installs mtl 1.2.3 with this package.json of a platform's package; returns the path of its own. */
function install(manifest: string | undefined): string {
  const root = scratchFolder();
  const packageJson = join(root, 'package.json');
  writeFileSync(packageJson, '{ "name": "@company/mtl", "version": "1.2.3" }');
  const folder = join(root, 'node_modules', NAME);
  mkdirSync(folder, { recursive: true });
  if (manifest !== undefined) writeFileSync(join(folder, 'package.json'), manifest);
  return packageJson;
}

describe('the package of a platform', () => {
  it.each([
    ['linux', 'x64', '7f00 r--p /usr/lib/x86_64-linux-gnu/libc.so.6', 'linux-x64-gnu'],
    ['linux', 'x64', '7f00 r--p /lib/ld-musl-x86_64.so.1', 'linux-x64-musl'],
    ['linux', 'arm64', '7f00 r--p /lib/aarch64-linux-gnu/libc.so.6', 'linux-arm64-gnu'],
    ['linux', 'arm64', '7f00 r--p /lib/ld-musl-aarch64.so.1', 'linux-arm64-musl'],
    ['linux', 's390x', '', undefined],
    ['darwin', 'arm64', '', 'darwin-arm64'],
    ['darwin', 'x64', '', 'darwin-x64'],
    ['win32', 'x64', '', 'win32-x64'],
    ['win32', 'arm64', '', undefined],
    ['freebsd', 'x64', '', undefined],
  ] as const)('on %s and %s with libraries "%s" is %s', (os, cpu, libraries, platform) => {
    expect(choosePlatform(os, cpu, () => libraries)).toBe(platform);
  });

  it('is the one of the C library that Node reports', ({ skip }) => {
    if (process.platform !== 'linux' || !(`linux-${process.arch}-gnu` in PLATFORMS)) skip('no Linux, or no package');
    const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
    const libc = header.glibcVersionRuntime === undefined ? 'musl' : 'gnu';
    expect(thisPlatform()).toBe(`linux-${process.arch}-${libc}`);
  });

  it('is used if its version and its sources are those of mtl', () => {
    const packageJson = install(JSON.stringify({ version: '1.2.3', kernels: hashKernels('arm64') }));
    expect(findPrebuilt(packageJson, 'linux-arm64-musl')).toEqual({
      name: NAME,
      path: join(packageJson, '../node_modules', NAME, 'kernels.node'),
    });
  });

  it('is not found if it is missing, or if the platform has none', () => {
    expect(findPrebuilt(install(undefined), 'linux-arm64-musl')).toBeUndefined();
    expect(findPrebuilt(install(undefined), undefined)).toBeUndefined();
  });

  it('is refused if it has another version, other sources or no valid package.json', () => {
    const find = (manifest: string): unknown => findPrebuilt(install(manifest), 'linux-arm64-musl');
    const fix = `npm install ${NAME}@1.2.3`;
    expect(find(JSON.stringify({ version: '1.2.2', kernels: hashKernels('arm64') }))).toEqual({
      name: NAME,
      reason: 'expected version 1.2.3, found 1.2.2',
      fix,
    });
    expect(find(JSON.stringify({ version: '1.2.3', kernels: hashKernels('x64') }))).toEqual({
      name: NAME,
      reason: 'it was built from other kernel sources',
      fix: `remove it: npm rm ${NAME}`,
    });
    expect(find('{')).toMatchObject({ name: NAME, fix });
  });
});

describe('native kernels of a package', () => {
  /** Searches native kernels with an installed addon; returns them and the reported texts. */
  function search(
    context: TestContext,
    prebuilt: Parameters<typeof findNative>[1],
  ): { readonly native: ReturnType<typeof findNative>; readonly refused: readonly string[] } {
    needsAddon(context);
    const { module, isRelaxed } = loadKernels(true, 'wasm');
    if (!isRelaxed) context.skip('without fused multiply-add, results are not bitwise identical');
    const wasm = readFileSync(join(ROOT, 'dist/kernels-relaxed.wasm'));
    const refused: string[] = [];
    const onRefused = (text: string): void => void refused.push(text);
    const onBuild = (): void => undefined;
    const native = findNative({ wasm, module, isPatient: true, isInsistent: false, onBuild, onRefused }, prebuilt);
    return { native, refused };
  }

  /** Writes an addon that is the one of this machine except for these properties. */
  const changed = (properties: string): string =>
    scratchFile('kernels.cjs', `module.exports = { ...require(${JSON.stringify(ADDON.path)}), ${properties} };`);

  it('run if they are bitwise identical to WebAssembly', (context) => {
    const path = changed('');
    const { native, refused } = search(context, { name: NAME, path });
    expect(native).toMatchObject({ packageName: NAME, path });
    expect(refused).toEqual([]);
  });

  it('are replaced by compiled ones if a kernel has other results, and this is reported', (context) => {
    const lookup = Object.keys(SIGNATURES).indexOf('lookup');
    const path = changed(`call(family, memory, kernel, ...rest) {
      if (kernel !== ${lookup}) require(${JSON.stringify(ADDON.path)}).call(family, memory, kernel, ...rest);
    }`);
    const { native, refused } = search(context, { name: NAME, path });
    expect(native).toHaveProperty('family', ADDON.families[0]);
    expect(native).not.toHaveProperty('packageName');
    expect(refused).toEqual([
      `${NAME} is not used: the compiled kernels are not bitwise identical to WebAssembly (${path}); reinstall ${NAME}`,
    ]);
  });

  it('are replaced by compiled ones if the package does not fit or does not load', (context) => {
    const misfit = { name: NAME, reason: 'expected version 2, found 1', fix: 'npm install' };
    const { native, refused } = search(context, misfit);
    expect(native).not.toHaveProperty('packageName');
    expect(refused).toEqual([`${NAME} is not used: expected version 2, found 1; npm install`]);
    const damaged = search(context, { name: NAME, path: scratchFile('kernels.node', 'damaged') });
    expect(damaged.native).toHaveProperty('family', ADDON.families[0]);
    expect(damaged.refused).toEqual([expect.stringMatching(`^${NAME} is not used: .*; reinstall ${NAME}$`)]);
  });

  it('are not compiled again for a processor that has none of their families', (context) => {
    const path = changed("families: () => [['AVX2', false]]");
    expect(search(context, { name: NAME, path })).toEqual({
      native: { reason: 'this processor has no vector fused multiply-add' },
      refused: [],
    });
  });
});

describe('a command without native kernels', () => {
  const run = (...args: readonly string[]): { readonly stderr: string; readonly stdout: string } =>
    spawnSync(process.execPath, ['bin/mtl.js', 'check', 'configs/esmm.yaml', ...args], {
      cwd: ROOT,
      env: { ...process.env, CC: '/nowhere/cc', XDG_CACHE_HOME: scratchFolder(), MTL_KERNELS: '', NODE_PATH: '' },
      encoding: 'utf8',
    });
  const REPORT =
    'mtl: WebAssembly kernels run, 1.3 to 2.5 times slower than native ones: ' +
    "no C compiler was found ('/nowhere/cc'); install a C compiler, gcc or clang\n";

  it('prints once what they cost and the fix, unless WebAssembly or JSON is requested', ({ skip }) => {
    if (findPrebuilt() !== undefined && process.env['NODE_PATH'] === undefined) skip('the package is installed');
    expect(run().stderr).toBe(REPORT);
    expect(run('--kernels', 'wasm').stderr).toBe('');
    const { stdout, stderr } = run('--json');
    expect(stderr).not.toContain('mtl: ');
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  });
});
