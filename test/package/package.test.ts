/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ADDON } from '../support/native.js';
import { packWithTypes } from '../support/packed.js';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const { satisfies } = createRequire(import.meta.url)('semver') as {
  satisfies(version: string, range: string): boolean;
};
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  engines: { node: string };
  scripts: Record<string, string>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
  peerDependenciesMeta: Record<string, unknown>;
  allowScripts: Record<string, boolean>;
};

const moduleFolder = (name: string): string => `node_modules/${name}`;

/** Runs a command quietly and gives what it printed. */
function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('the package', () => {
  it('requires Node 20.19 and pins every package that it is built and tested with', () => {
    expect(manifest.engines.node).toBe('>=20.19');
    for (const version of Object.values(manifest.devDependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(manifest.devDependencies['vitest']).toBe(manifest.devDependencies['@vitest/coverage-v8']);
  });

  it('depends on no package, finds those for GPUs and streams if they are installed, runs no install script', () => {
    expect(manifest).not.toHaveProperty('dependencies');
    expect(manifest).not.toHaveProperty('optionalDependencies');
    const streams = ['@nats-io/jetstream', '@nats-io/transport-node', '@platformatic/kafka'];
    expect(Object.keys(manifest.peerDependencies)).toEqual([...streams, '@tensorflow/tfjs-node-gpu', 'webgpu']);
    for (const name of Object.keys(manifest.peerDependencies))
      expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
    for (const name of Object.keys(manifest.scripts)) expect(name).not.toMatch(/^(?:pre|post)?(?:un)?install$/);
    expect(Object.values(manifest.allowScripts)).not.toContain(true);
  });

  it('bundles packages that run on Node 20.19', () => {
    const paths = JSON.parse(readFileSync(join(root, 'dist', 'packages.json'), 'utf8')) as readonly string[];
    expect(paths).toEqual(expect.arrayContaining(['csv-parse', 'pino', 'yaml', 'yargs', 'zod'].map(moduleFolder)));
    const tooNew = paths.flatMap((path) => {
      const { name, version, engines } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')) as {
        readonly name: string;
        readonly version: string;
        readonly engines?: { readonly node?: string };
      };
      const isTooNew = !satisfies('20.19.0', engines?.node ?? '*');
      return isTooNew ? [`${name} ${version} requires Node ${engines!.node}`] : [];
    });
    expect(tooNew).toEqual([]);
  });

  it('leaves, however it is built, the stamp by which the command sees that nothing is stale', () => {
    const out = join(scratchFolder(), 'dist');
    const { status, stdout } = spawnSync(process.execPath, ['bin/build.js', out], { cwd: root, encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, '']);
    const newest = Math.max(
      ...readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map(
        (path) => statSync(join(root, 'src', path)).mtimeMs,
      ),
    );
    expect(statSync(join(out, '.built')).mtimeMs).toBeGreaterThan(newest);
  }, 600_000);

  it('packs into a tarball that installs into an empty folder and trains there', () => {
    const folder = scratchFolder();
    const file = packWithTypes(folder);
    run(folder, 'npm', 'init', '-y');
    run(folder, 'npm', 'install', '--offline', '--no-audit', '--no-fund', file);
    expect(readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      'mtl-recommender',
    ]);

    run(folder, 'npx', 'mtl', 'synth', 'data', '--train', '1000', '--valid', '300', '--test', '300');
    const sets = ['train', 'valid', 'test'].map((split) => `--set=data.${split}=data/${split}.csv`);
    const train = [
      'mtl',
      'train',
      'node_modules/mtl-recommender/configs/esmm.yaml',
      ...sets,
      '--set=training.epochs=1',
      '--json',
    ];
    const printed = run(folder, 'npx', ...train);
    expect(JSON.parse(printed)).toMatchObject({ run: 'runs/esmm/001', metrics: { test: { ctr: { rows: 300 } } } });
    expect(existsSync(join(folder, 'runs', 'latest', 'checkpoints', 'best', 'weights.safetensors'))).toBe(true);

    // Native kernels are built of what was packed, where there is a compiler; without one the engine's description has
    // the reason, and results are the same.
    const withCache = (name: string, ...settings: readonly string[]): readonly string[] => [
      'env',
      `XDG_CACHE_HOME=${join(folder, `cache of ${name}`)}`,
      ...settings,
      'npx',
      ...train,
      '--run-dir',
      name,
    ];
    // Without --kernels native, the first run does not wait for the compiler.
    const [compiled, plain] = [
      [...withCache('compiled'), '--kernels', 'native'],
      withCache('plain', 'CC=/nowhere/cc'),
    ].map(([command, ...args]) => spawnSync(command!, args, { cwd: folder, encoding: 'utf8' }));
    expect([plain!.status, compiled!.status]).toEqual([0, 0]);
    const lines = plain!.stderr.split('\n').filter((line) => /compiler|native/.test(line));
    expect(lines).toEqual([
      expect.stringMatching(
        /^engine  WebAssembly.*\(without native kernels: no C compiler was found \('\/nowhere\/cc'\)\)/,
      ),
    ]);
    const engineOf = (name: string): string =>
      (JSON.parse(readFileSync(join(folder, name, 'environment.json'), 'utf8')) as { engine: { description: string } })
        .engine.description;
    expect(engineOf('compiled').startsWith('native kernels for')).toBe(ADDON.families.length > 0);
    expect(engineOf('plain')).toContain("(without native kernels: no C compiler was found ('/nowhere/cc'))");
    const weightsOf = (name: string): Buffer =>
      readFileSync(join(folder, name, 'checkpoints', 'best', 'weights.safetensors'));
    expect(weightsOf('plain').equals(weightsOf('compiled'))).toBe(true);

    // The GPU package as it is where its addon did not install: the module is there, and throws.
    const native = join(folder, 'node_modules', '@tensorflow', 'tfjs-node-gpu');
    mkdirSync(native, { recursive: true });
    writeFileSync(
      join(native, 'package.json'),
      JSON.stringify({ name: '@tensorflow/tfjs-node-gpu', version: '0.0.0', main: 'index.js' }),
    );
    writeFileSync(
      join(native, 'index.js'),
      "throw new Error('The native addon module (tfjs_binding.node) can not be found');",
    );
    const again = [
      'mtl',
      'train',
      'node_modules/mtl-recommender/configs/esmm.yaml',
      ...sets,
      '--set=training.epochs=1',
      '--json',
    ];
    expect(JSON.parse(run(folder, 'npx', ...again))).toMatchObject({ run: 'runs/esmm/002' });
    const gpu = spawnSync('npx', [...again, '--device', 'gpu'], { cwd: folder, encoding: 'utf8' });
    expect([gpu.status, gpu.stderr]).toEqual([
      2,
      expect.stringContaining('does not load (The native addon module (tfjs_binding.node) can not be found)') as string,
    ]);
  }, 900_000);
});
