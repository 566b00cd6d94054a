import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { buildMpiAddon } from '../../src/cluster/addon.js';
import { askProgram, buildOnce, type Built } from '../../src/system/native-build.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

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
