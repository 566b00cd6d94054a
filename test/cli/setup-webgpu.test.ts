import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { testedVersion } from '../../src/engines/optional-packages.js';
import { dawnFolder, installDawn, resolveDawn } from '../../src/engines/webgpu/dawn-package.js';
import { scratchFolder } from '../support/scratch.js';

afterEach(() => vi.unstubAllEnvs());

/** Puts a program `npm` first in the path, which logs its arguments and runs a script. */
function playNpm(script: string): string {
  const tools = scratchFolder();
  writeFileSync(join(tools, 'npm'), `#!/bin/sh\necho "$PWD $@" >> '${join(tools, 'log')}'\n${script}\n`);
  chmodSync(join(tools, 'npm'), 0o755);
  vi.stubEnv('PATH', `${tools}${delimiter}${process.env['PATH']}`);
  return join(tools, 'log');
}

describe('the tested versions of optional packages', () => {
  it('are those of the tests of this clone', () => {
    const { devDependencies } = JSON.parse(
      readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
    ) as { readonly devDependencies: Record<string, string> };
    expect(testedVersion('webgpu')).toBe(devDependencies['webgpu']);
    expect(testedVersion('@tensorflow/tfjs-node-gpu')).toBe(devDependencies['@tensorflow/tfjs']);
  });
});

describe('the package webgpu', () => {
  it('is that of the project, and not installed again', () => {
    expect(resolveDawn(scratchFolder())).toMatch(/node_modules.webgpu.index\.js$/);
    const log = playNpm('exit 1');
    expect(installDawn(() => undefined, join(scratchFolder(), '0.0.0'))).toBe(false);
    expect(existsSync(log)).toBe(false);
  });

  it("is stored in the user's cache by version", () => {
    vi.stubEnv('XDG_CACHE_HOME', '/cache');
    expect(dawnFolder()).toBe(join('/cache', 'mtl', 'webgpu', testedVersion('webgpu')));
  });
});

/** An installed package has no `webgpu` next to it, as a build in another directory. */
async function importElsewhere(): Promise<typeof import('../../src/engines/webgpu/dawn-package.js')> {
  vi.doMock('node:module', async (actual) => {
    const real = await actual<typeof import('node:module')>();
    const createRequire = (from: string | URL): NodeJS.Require =>
      String(from).startsWith('file:') ? real.createRequire(join(scratchFolder(), 'x.js')) : real.createRequire(from);
    return { ...(real as object), default: real, createRequire };
  });
  vi.resetModules();
  return import('../../src/engines/webgpu/dawn-package.js');
}

describe.runIf(process.platform === 'linux')('mtl setup webgpu', () => {
  afterEach(() => vi.doUnmock('node:module'));

  it('prints the command, runs it in a new directory, and finds the package there afterwards', async () => {
    const dawn = await importElsewhere();
    const log = playNpm('mkdir -p node_modules/webgpu && echo > node_modules/webgpu/index.js');
    const folder = join(scratchFolder(), 'webgpu', '0.6.2');
    const steps: string[] = [];
    expect(dawn.installDawn((text) => void steps.push(text), folder)).toBe(true);
    const [line] = readFileSync(log, 'utf8').trim().split('\n');
    const [at, ...args] = line!.split(' ');
    expect(args.join(' ')).toBe('install --ignore-scripts --no-audit --no-fund --loglevel=error webgpu@0.6.2');
    expect(steps).toEqual([`running 'npm ${args.join(' ')}' in ${at}`]);
    expect(dawn.resolveDawn(folder)).toBe(join(folder, 'node_modules', 'webgpu', 'index.js'));
    expect(dawn.installDawn(() => undefined, folder)).toBe(false);
    expect(existsSync(at!)).toBe(false);
  });

  it('reports a failure of npm with its command, and leaves nothing', async () => {
    const dawn = await importElsewhere();
    playNpm('exit 7');
    const folder = join(scratchFolder(), 'webgpu', '0.6.2');
    expect(() => dawn.installDawn(() => undefined, folder)).toThrow(
      /^mtl setup webgpu: 'npm install .* webgpu@0\.6\.2' failed \(exit code 7\); see its output above/,
    );
    expect(existsSync(folder)).toBe(false);
  });

  it('requires a cache directory', async () => {
    const dawn = await importElsewhere();
    vi.stubEnv('XDG_CACHE_HOME', undefined);
    vi.stubEnv('HOME', 'not/absolute');
    expect(() => dawn.installDawn(() => undefined)).toThrow(/set XDG_CACHE_HOME to a directory/);
  });
});
