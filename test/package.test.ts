import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from './support/scratch.js';

const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  engines: { node: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};

/** Runs a command quietly and gives what it printed. */
function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('the package', () => {
  it('promises Node 20.19 and pins every dependency', () => {
    expect(manifest.engines.node).toBe('>=20.19');
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies });
    for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(manifest.devDependencies['vitest']).toBe(manifest.devDependencies['@vitest/coverage-v8']);
  });

  it('takes the GPU package where it installs, and does without where it does not', () => {
    expect(Object.keys(manifest.optionalDependencies)).toEqual(['@tensorflow/tfjs-node-gpu']);
    expect(manifest.allowScripts['@tensorflow/tfjs-node-gpu']).toBe(true);
  });

  it('packs into a tarball that installs into an empty folder and trains there', () => {
    const folder = scratchFolder();
    const [{ filename }] = JSON.parse(run(root, 'npm', 'pack', '--json', '--silent', '--pack-destination', folder)) as [{ filename: string }];
    run(folder, 'npm', 'init', '-y');
    run(folder, 'npm', 'install', '--omit=optional', '--prefer-offline', '--no-audit', '--no-fund', `./${filename}`);
    for (const left of ['src', 'test', 'package-lock.json']) expect(existsSync(join(folder, 'node_modules', 'mtl', left))).toBe(false);

    run(folder, 'npx', 'mtl', 'synth', 'data', '--train', '1000', '--valid', '300', '--test', '300');
    const sets = ['train', 'valid', 'test'].map((split) => `--set=data.${split}=data/${split}.csv`);
    const printed = run(folder, 'npx', 'mtl', 'train', 'node_modules/mtl/configs/esmm.yaml', ...sets, '--set=training.epochs=1', '--json');
    expect(JSON.parse(printed)).toMatchObject({ run: 'runs/esmm/001', metrics: { test: { ctr: { rows: 300 } } } });
    expect(existsSync(join(folder, 'runs', 'latest', 'checkpoints', 'best', 'weights.safetensors'))).toBe(true);
  }, 180_000);
});
