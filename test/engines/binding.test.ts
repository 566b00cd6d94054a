/** @module-tag long */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { bindingFolder, makeBinding, missingTools, nativeHome, readBinding } from '../../src/engines/tfjs/binding.js';
import { readProbe } from '../../src/engines/tfjs/probe.js';
import { scratchFolder } from '../support/scratch.js';

const onLinux = process.platform === 'linux';
const root = join(import.meta.dirname, '..', '..');

afterEach(() => vi.unstubAllEnvs());

describe('the binding to TensorFlow', () => {
  it.runIf(onLinux)('reports all missing tools at once', () => {
    const problems = missingTools(
      { requirement: 'tensorflow' },
      { python: '/nowhere/python', compiler: '/nowhere/c++' },
    );
    expect(problems.map(({ message }) => message)).toEqual([
      "no C++ compiler was found ('/nowhere/c++')",
      "Python was not found ('/nowhere/python')",
    ]);
    // An existing library requires no Python.
    expect(missingTools({ path: '/' }, { python: '/nowhere/python', compiler: process.execPath })).toEqual([]);
  });

  it.runIf(onLinux)('is not built if a tool or the library is missing', () => {
    const folder = join(scratchFolder(), 'made');
    const steps: string[] = [];
    const onStep = (text: string): void => void steps.push(text);
    expect(() => makeBinding(folder, { requirement: 'tensorflow' }, onStep, { compiler: '/nowhere/c++' })).toThrow(
      /no C\+\+ compiler .*Debian: g\+\+/,
    );
    const library = scratchFolder();
    expect(() => makeBinding(folder, { path: library }, onStep, { compiler: process.execPath })).toThrow(
      `--libtensorflow: '${library}' does not contain all of libtensorflow_cc.so.2 or libtensorflow.so.2, ` +
        'libtensorflow_framework.so.2',
    );
    expect([steps, existsSync(folder)]).toEqual([[], false]);
  });

  it('is loaded from the directory of the command, otherwise from node_modules', () => {
    vi.stubEnv('XDG_CACHE_HOME', scratchFolder());
    expect(join(nativeHome(), 'package.json')).toBe(join(root, 'package.json'));
    const folder = bindingFolder()!;
    mkdirSync(folder, { recursive: true });
    // The build did not finish.
    expect(join(nativeHome(), 'package.json')).toBe(join(root, 'package.json'));
    const made = { package: 'a', source: { path: '/b' }, library: '/b/c' };
    writeFileSync(join(folder, 'binding.json'), JSON.stringify(made));
    expect([nativeHome(), readBinding(folder)]).toEqual([folder, made]);
  });

  it('is not rebuilt from the same sources', () => {
    const folder = scratchFolder();
    const source = { requirement: 'tensorflow' };
    writeFileSync(
      join(folder, 'binding.json'),
      JSON.stringify({
        package: '@tensorflow/tfjs-node-gpu@4.22.0',
        source,
        library: 'x',
      }),
    );
    const loads = { state: 'without a GPU', reason: undefined, version: '2.21.0', missing: [] } as const;
    expect(makeBinding(folder, source, () => undefined, { compiler: '/nowhere/c++', probe: () => loads })).toBe(false);
  });

  it.runIf(onLinux)('is rebuilt if it no longer loads', () => {
    const folder = scratchFolder();
    const source = { requirement: 'tensorflow' };
    writeFileSync(
      join(folder, 'binding.json'),
      JSON.stringify({
        package: '@tensorflow/tfjs-node-gpu@4.22.0',
        source,
        library: 'x',
      }),
    );
    const steps: string[] = [];
    expect(() => makeBinding(folder, source, (text) => void steps.push(text), { compiler: '/nowhere/c++' })).toThrow(
      /no C\+\+ compiler/,
    );
    expect(steps).toEqual([expect.stringMatching(/no longer loads \(Cannot find package .*\); rebuilding it/)]);
  });
});

describe('the probe of TensorFlow', () => {
  it('reports ready, without a GPU, absent or broken, and missing libraries', () => {
    expect(readProbe('{"hasGpu":true,"version":"2.21.0"}', '', undefined)).toEqual({
      state: 'ready',
      reason: undefined,
      version: '2.21.0',
      missing: [],
    });
    const warning = "Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open\n";
    expect(readProbe('{"hasGpu":false,"version":"2.9.1"}', warning, undefined)).toEqual({
      state: 'without a GPU',
      reason: undefined,
      version: '2.9.1',
      missing: ['libcudart.so.11.0'],
    });
    expect(
      readProbe(
        JSON.stringify({
          code: 'ERR_MODULE_NOT_FOUND',
          reason: "Cannot find package '@tensorflow/tfjs-node-gpu' from here",
        }),
        '',
        undefined,
      ).state,
    ).toBe('absent');
    expect(
      readProbe(JSON.stringify({ reason: 'The Node.js native addon module can not be found\nmore' }), '', undefined),
    ).toMatchObject({ state: 'broken', reason: 'The Node.js native addon module can not be found' });
    expect(readProbe('', 'Illegal instruction\n', undefined)).toMatchObject({
      state: 'broken',
      reason: 'Illegal instruction',
    });
  });
});
