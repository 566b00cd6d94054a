/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packWithTypes } from '../support/packed.js';

const root = join(import.meta.dirname, '..', '..');
const ATTW = '@arethetypeswrong/cli@0.18.5';

/** A directory that has the packed file installed. */
let project: string;
let file: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'mtl-types-'));
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  file = packWithTypes(project);
  const args = ['install', '--offline', '--no-audit', '--no-fund', file];
  execFileSync('npm', args, { cwd: project, stdio: 'pipe' });
}, 300_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Writes a file of the project that uses the library; returns its path. */
function writeConsumer(path: string): string {
  const target = join(project, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(
    target,
    `import { loadModel, UserError, type Model } from 'mtl-recommender';
const load: (path: string) => Promise<Model> = loadModel;
load('no-run').catch((error: unknown) => console.log(error instanceof UserError && error.kind));
// @ts-expect-error: the types are not any
const wrong: number = loadModel;
void wrong;
`,
  );
  return target;
}

/**
 * Compiles a consumer next to its source.
 * @param settings of a tsconfig.json
 * @returns the errors of its types and of those of the package
 */
function compile(path: string, settings: object): string {
  const common = { strict: true, target: 'es2022', lib: ['es2024', 'dom'] };
  const types = { types: ['node'], typeRoots: [join(root, 'node_modules', '@types')] };
  const { options } = ts.convertCompilerOptionsFromJson({ ...common, ...types, ...settings }, project);
  const program = ts.createProgram([writeConsumer(path)], options);
  const { diagnostics } = program.emit();
  return ts.formatDiagnostics([...ts.getPreEmitDiagnostics(program), ...diagnostics], {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => project,
    getNewLine: () => '\n',
  });
}

describe('the types of the package', () => {
  it('name no other package', () => {
    const folder = join(project, 'node_modules', 'mtl-recommender', 'dist');
    const types = ['index.d.ts', 'index.d.cts'].map((name) => readFileSync(join(folder, name), 'utf8')).join('');
    const modules = [...types.matchAll(/\bfrom '([^']+)'|\bimport\(["']([^"']+)/g)].map(
      ([, from, called]) => from ?? called!,
    );
    expect(modules.filter((name) => !name.startsWith('node:'))).toEqual(['./index.cjs']);
    expect(types).toMatch(/^declare function train\(/m);
  });

  it.for<readonly [string, string, object]>([
    ['node16/consumer.cts', 'node16/consumer.cjs', { module: 'node16' }],
    ['node16/consumer.mts', 'node16/consumer.mjs', { module: 'node16' }],
    ['nodenext/consumer.cts', 'nodenext/consumer.cjs', { module: 'nodenext' }],
    ['nodenext/consumer.mts', 'nodenext/consumer.mjs', { module: 'nodenext' }],
    [
      'node10/consumer.ts',
      'node10/consumer.js',
      { module: 'commonjs', moduleResolution: 'node10', ignoreDeprecations: '6.0' },
    ],
    ['bundler/consumer.mts', 'bundler/consumer.mjs', { module: 'esnext', moduleResolution: 'bundler' }],
  ])('compile %s to a program that Node runs without a warning', ([source, compiled, options]) => {
    expect(compile(source, options)).toBe('');
    const { stdout, stderr } = spawnSync(process.execPath, [compiled], { cwd: project, encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['checkpoint\n', '']);
  });

  it('are of one class UserError for require and import', () => {
    const script =
      "const { UserError } = require('mtl-recommender');\n" +
      "import('mtl-recommender').then((module) => console.log(module.UserError === UserError));\n";
    writeFileSync(join(project, 'both.cjs'), script);
    expect(execFileSync(process.execPath, ['both.cjs'], { cwd: project, encoding: 'utf8' })).toBe('true\n');
  });

  it('and the files of the package pass publint', () => {
    const publint = join(root, 'node_modules', 'publint', 'src', 'cli.js');
    const env = { ...process.env, NO_COLOR: '1' }; // publint also colors its output where CI=1 is set
    const options = { encoding: 'utf8', env } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [publint, file, '--strict'], options);
    expect([status, stderr, stdout]).toEqual([0, '', expect.stringMatching(/All good!\s*$/)]);
  });

  it('agree with the modules that Node loads: attw', { timeout: 300_000 }, ({ skip }) => {
    const npx = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync('npx', ['--yes', '--package', ATTW, 'attw', ...args], { cwd: project, encoding: 'utf8' });
    const { status, stderr } = npx('--version');
    if (status !== 0) skip(`npx cannot install ${ATTW}: ${stderr.trim().split('\n')[0]}`);
    const checked = npx(file, '--format', 'ascii', '--no-color', '--no-emoji');
    expect([checked.status, checked.stdout]).toEqual([0, expect.stringContaining('No problems found')]);
  });
});
