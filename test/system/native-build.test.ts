import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { buildMpiAddon } from '../../src/cluster/addon.js';
import { askProgram, buildOnce, type AddonRecipe, type Built } from '../../src/system/native-build.js';
import { thisProcess } from '../../src/system/owner.js';
import { BIN } from '../support/mtl.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const ROOT = join(import.meta.dirname, '..', '..');

/** A program of two lines or fewer. */
function program(script: string, mode = 0o755): string {
  const path = scratchFile('program', `#!/bin/sh\n${script}\n`);
  chmodSync(path, mode);
  return path;
}

/** Builds an addon, of nothing, without a folder of its own. */
function build(): Built {
  const sources = scratchFolder();
  writeFileSync(join(sources, 'a.c'), '');
  return buildOnce({ name: 'test', sources, compiler: program('touch built.node') }, ({ link, source }) =>
    link(source('a.c')),
  );
}

/** No folder can be made there, also not by root. */
const inFile = (): string => join(scratchFile('file', ''), 'cache');
const NOT_WRITABLE = 'set XDG_CACHE_HOME to a writable directory';
const own = `mtl-${process.getuid?.()}`;

// Kernels that were looked for without a place are those of this file alone.
afterEach(() => void vi.resetModules());

describe.skipIf(process.platform === 'win32')('an addon whose cache cannot be written', () => {
  it("is built in a folder of the temporary one that is this user alone's, once", () => {
    const tmp = scratchFolder();
    vi.stubEnv('XDG_CACHE_HOME', inFile());
    vi.stubEnv('TMPDIR', tmp);
    const built = build();
    expect(built).toEqual({
      isNew: true,
      path: expect.stringMatching(`^${join(tmp, own, 'native')}/test-.*\\.node$`) as string,
    });
    expect(build()).toEqual({ ...built, isNew: false });
    expect(statSync(join(tmp, own)).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(tmp, own, 'native'))).toHaveLength(1);
  });

  it.each<[string, (folder: string, elsewhere: string) => void]>([
    [
      'other users can write to it',
      (folder) => {
        mkdirSync(folder);
        chmodSync(folder, 0o777);
      },
    ],
    ['it is a link', (folder, elsewhere) => symlinkSync(elsewhere, folder)],
    ['it is a file', (folder) => writeFileSync(folder, '')],
  ])('is not built, nor loaded, in a temporary folder of which %s', (_, make) => {
    const [tmp, cache] = [scratchFolder(), inFile()];
    make(join(tmp, own), scratchFolder());
    vi.stubEnv('XDG_CACHE_HOME', cache);
    vi.stubEnv('TMPDIR', tmp);
    const reason =
      `no writable directory to build them in: ${join(cache, 'mtl', 'native')} (ENOTDIR), ` +
      `${join(tmp, own, 'native')} (other users can write to ${join(tmp, own)})`;
    expect(build()).toEqual({ reason, fix: NOT_WRITABLE });
  });

  it('is told in the description of the engine, and by doctor with what to do', async () => {
    vi.stubEnv('XDG_CACHE_HOME', inFile());
    vi.stubEnv('TMPDIR', inFile());
    vi.stubEnv('MTL_KERNELS', '');
    vi.resetModules();
    const { createCpuEngine } = await import('../../src/engines/cpu/engine.js');
    const { kernels } = await import('../../src/doctor/kernels.js');
    const reason =
      /\(without native kernels: no writable directory to build them in: .*\/cache\/mtl\/native \(ENOTDIR\), .*\)/;
    expect(createCpuEngine(2).description).toMatch(new RegExp(`${reason.source}, 2 threads$`));
    expect(createCpuEngine(2, true, {}, 'wasm').description).not.toContain('native');
    expect(await kernels.look()).toEqual({
      state: 'without',
      message: expect.stringMatching(reason) as string,
      fix: NOT_WRITABLE,
    });
    expect(() => createCpuEngine(2, true, {}, 'native')).toThrow(
      new RegExp(`${NOT_WRITABLE}, or remove --kernels and MTL_KERNELS`),
    );
  });
});

describe.skipIf(process.platform === 'win32')('a build in the background', () => {
  const PENDING = { reason: 'they are being compiled in the background', isPending: true };

  /** The parts of a build in an empty directory, with a compiler of one line, and the path of its lock. */
  function addonWith(script: string) {
    const [sources, folder] = [scratchFolder(), scratchFolder()];
    writeFileSync(join(sources, 'a.c'), '');
    const recipe = { name: 'test', sources, compiler: program(`[ "$1" = --version ] && exit 0; ${script}`), folder };
    const build = (options: Partial<AddonRecipe>): Built =>
      buildOnce({ ...recipe, ...options }, ({ link, source }) => link(source('a.c')));
    const elsewhere = build({ folder: scratchFolder(), compiler: program('touch built.node') });
    const name = 'path' in elsewhere ? basename(elsewhere.path) : '';
    const startBuild = vi.fn();
    return {
      folder,
      lock: join(folder, `${name}.lock`),
      startBuild,
      search: () => build({ startBuild }),
      build: () => build({ isBackground: true }),
    };
  }

  it('is started by a search, which returns at once, and the next search finds the result', () => {
    const { folder, search, build: run, startBuild } = addonWith('touch built.node');
    expect(search()).toMatchObject(PENDING);
    expect(startBuild).toHaveBeenCalledOnce();
    const built = run();
    expect(built).toMatchObject({ isNew: true });
    expect(search()).toEqual({ ...built, isNew: false });
    expect(startBuild).toHaveBeenCalledOnce();
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('is not started while another process builds, and replaces one that was killed', () => {
    const { folder, lock, search, build: run, startBuild } = addonWith('touch built.node');
    writeFileSync(lock, JSON.stringify(thisProcess()));
    expect([search(), run()]).toMatchObject([PENDING, PENDING]);
    expect(startBuild).not.toHaveBeenCalled();
    writeFileSync(lock, JSON.stringify({ ...thisProcess(), pid: spawnSync('true').pid }));
    expect(search()).toMatchObject(PENDING);
    expect(startBuild).toHaveBeenCalledOnce();
    expect(run()).toMatchObject({ isNew: true });
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.each([
    ['an incomplete lock', 'test.lock', 60],
    ['a lock of another machine', 'other machine', 2 * 3600],
  ])('replaces %s after a while', (_, content, seconds) => {
    const { lock, search, build: run, startBuild } = addonWith('touch built.node');
    writeFileSync(lock, content === 'other machine' ? JSON.stringify({ ...thisProcess(), host: content }) : '');
    expect([search(), run()]).toMatchObject([PENDING, PENDING]);
    expect(startBuild).not.toHaveBeenCalled();
    const then = statSync(lock).mtimeMs / 1000 - seconds;
    utimesSync(lock, then, then);
    expect(search()).toMatchObject(PENDING);
    expect(startBuild).toHaveBeenCalledOnce();
    expect(run()).toMatchObject({ isNew: true });
  });

  it('is not started without a compiler, or after the compiler failed', () => {
    const { search, build: run, startBuild } = addonWith("echo 'fatal error: no stdio.h' >&2; exit 1");
    const failure = { reason: 'fatal error: no stdio.h', fix: expect.stringContaining('set CC') as string };
    expect(run()).toEqual(failure);
    expect(search()).toEqual(failure);
    const missing = { name: 'test', sources: scratchFolder(), compiler: '/nowhere/cc', folder: scratchFolder() };
    expect(buildOnce({ ...missing, startBuild }, () => undefined)).toMatchObject({
      reason: "no C compiler was found ('/nowhere/cc')",
    });
    expect(startBuild).not.toHaveBeenCalled();
  });

  it('removes the scratch directory of a build that was killed an hour ago', () => {
    const { folder, build: run } = addonWith('touch built.node');
    const [old, recent] = ['building-old', 'building-recent'].map((name) => join(folder, name)) as [string, string];
    for (const each of [old, recent]) mkdirSync(each);
    const then = statSync(old).mtimeMs / 1000 - 2 * 3600;
    utimesSync(old, then, then);
    run();
    expect([existsSync(old), existsSync(recent)]).toEqual([false, true]);
  });
});

describe.skipIf(process.platform === 'win32')('a first command', { tags: ['long'] }, () => {
  /** A compiler that fails, whose calls are noted with the process that runs them, and an empty cache. */
  function failingCompiler(before = '') {
    const calls = scratchFile('calls', '');
    const fails = `echo $PPID >> ${calls}; ${before} echo 'fatal error: no stdio.h' >&2; exit 1`;
    const CC = program(`[ "$1" = --version ] && exit 0; ${fails}`);
    const cache = scratchFolder();
    const scratch = { XDG_CACHE_HOME: cache, MTL_RUNS: join(cache, 'runs') };
    const env = { ...process.env, ...scratch, CC, MTL_KERNELS: '', NODE_PATH: '' };
    const run = async (...args: readonly string[]) => {
      const child = spawn(process.execPath, [BIN, ...args], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
      let printed = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (printed += String(text)));
      const [code] = (await once(child, 'close')) as [number];
      return { code, printed };
    };
    const files = (): readonly string[] =>
      readdirSync(join(cache, 'mtl', 'native')).filter((name) => name.startsWith('kernels-'));
    return { run, files, numBuilds: () => new Set(readFileSync(calls, 'utf8').split('\n').filter(Boolean)).size };
  }

  it('does not wait for the compiler, which one process runs for all, and doctor reports how that ends', async () => {
    const gate = scratchFile('gate', '');
    const { run, files, numBuilds } = failingCompiler(`while [ -e ${gate} ]; do sleep 0.05; done;`);
    const check = ['check', 'configs/esmm.yaml'];
    // Three processes start at once.
    for (const { code, printed } of await Promise.all([run(...check), run(...check), run(...check)])) {
      expect(code).toBe(0);
      expect(printed).toContain('mtl: compiling native kernels in the background; this run uses WebAssembly kernels');
    }
    await vi.waitFor(() => expect(numBuilds()).toBe(1), 20_000);
    expect((await run('doctor')).printed).toContain(
      'without native kernels: they are being compiled in the background',
    );
    rmSync(gate);
    await vi.waitFor(() => expect(files()).toEqual([expect.stringMatching(/\.failed$/)]), 20_000);
    const { printed } = await run('doctor');
    expect(printed).toContain('without native kernels: fatal error: no stdio.h');
    expect(printed).toContain('install a working C compiler, gcc or clang, or set CC');
    expect(numBuilds()).toBe(1);
  });

  it.each([
    ['serve', 'nowhere'],
    ['live', 'nowhere.yaml'],
    ['sweep', 'nowhere.yaml'],
    ['train', 'configs/esmm.yaml', '--follow', '--until-end'],
  ])('waits for the compiler if it runs for long: mtl %s', async (...args) => {
    const { run, files } = failingCompiler();
    const { printed } = await run(...args);
    expect(printed).toContain('mtl: compiling native kernels, once per machine, for about a minute …');
    expect(printed).toContain('slower than native ones: fatal error: no stdio.h');
    expect(files()).toEqual([expect.stringMatching(/\.failed$/)]);
  });
});

describe.skipIf(process.platform === 'win32')('a program that is looked up', () => {
  it('returns its output, or why there is none', () => {
    expect(askProgram(program('echo "$1"'), 'hello')).toEqual({ output: 'hello\n' });
    expect(askProgram('/nowhere/cc')).toEqual({ isMissing: true, reason: '/nowhere/cc was not found' });
    const locked = program('exit 0', 0o644);
    expect(askProgram(locked)).toEqual({ isMissing: false, reason: `'${locked}' cannot be started (EACCES)` });
    expect(askProgram(program('echo note >&2; echo "cc: error: no input" >&2; exit 1'))).toEqual({
      isMissing: false,
      reason: 'cc: error: no input',
    });
    const silent = program('exit 3');
    expect(askProgram(silent)).toEqual({ isMissing: false, reason: `'${silent}' failed with exit code 3` });
  });

  it("reports MPI's compilers: all that are missing, or the problems of those that exist", () => {
    expect(buildMpiAddon(['/nowhere/a', '/nowhere/b'])).toEqual({ reason: '/nowhere/a or /nowhere/b was not found' });
    const locked = program('exit 0', 0o644);
    expect(buildMpiAddon(['/nowhere/a', locked])).toEqual({ reason: `'${locked}' cannot be started (EACCES)` });
    const broken = program('echo "libmpi.so: cannot open shared object file" >&2; exit 127');
    expect(buildMpiAddon([locked, broken])).toEqual({
      reason: `'${locked}' cannot be started (EACCES); libmpi.so: cannot open shared object file`,
    });
  });
});
