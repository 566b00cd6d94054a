/** @module-tag long */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/code-blocks.js';
import { copyShipped } from '../support/copy-shipped.js';
import { needsPython, PYTHON } from '../support/python.js';

const root = join(import.meta.dirname, '..', '..');
const [page, statePage] = ['adding-a-component.md', 'adding-a-state.md'].map((name) =>
  readFileSync(join(root, 'docs', 'explanation', name), 'utf8'),
) as [string, string];
const blocks = [page, statePage].flatMap((text) => codeBlocks(text));
/** Files and directories of a working checkout. */
const CHECKOUT = [
  'bin',
  'configs',
  'data',
  'docs',
  'src',
  'sweeps',
  'test',
  'dist',
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'vitest.config.ts',
  'bench',
];

let checkout: string;
beforeAll(() => {
  checkout = mkdtempSync(join(tmpdir(), 'mtl-checkout-'));
  copyShipped(checkout, CHECKOUT);
  // Older than the install by any clock's rounding: otherwise npm installs again and empties the linked directory.
  for (const name of ['package.json', 'package-lock.json']) utimesSync(join(checkout, name), 0, 0);
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
}, 120_000);
afterAll(() => rmSync(checkout, { recursive: true, force: true }), 120_000);

/** Writes the code blocks below a heading: a file named in the first line, or added lines of existing files. */
function write(heading: string): void {
  for (const { language, text } of blocks.filter((block) => block.heading === heading)) {
    for (const part of language === 'diff' ? text.split(/^(?=--- )/m) : [text]) writePart(part, language === 'diff');
  }
}

function writePart(text: string, isDiff: boolean): void {
  const [first, ...rest] = text.split('\n');
  const name = /^(?:\/\/|#|---) (\S+)$/.exec(first!)?.[1];
  if (name === undefined) return;
  const file = join(checkout, name);
  if (!isDiff) {
    expect(existsSync(file), `${name} exists already`).toBe(false);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, rest.join('\n'));
    return;
  }
  const linesWith = (mark: string): string =>
    rest
      .filter((line) => line.startsWith(mark))
      .map((line) => `${line.slice(1)}\n`)
      .join('');
  const before = linesWith(' ');
  const parts = readFileSync(file, 'utf8').split(before);
  expect(parts.length, `${name} contains once: ${before}`).toBe(2);
  writeFileSync(file, parts.join(before + linesWith('+')));
}

/** Runs the commands below a heading. */
function run(heading: string): void {
  const commands = blocks
    .filter((block) => block.heading === heading && block.language === 'sh')
    .flatMap(({ text }) => text.trimEnd().split('\n'));
  expect(commands.length).toBeGreaterThan(0);
  for (const command of commands) {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command.replace(/^python /, `${PYTHON} `)], {
      cwd: checkout,
      encoding: 'utf8',
    });
    expect(status, `${command}\n${stdout}\n${stderr}`).toBe(0);
  }
}

/** Rebuilds: a test run on a stale build fails. */
const build = (): void =>
  expect(spawnSync(process.execPath, ['bin/setup.js'], { cwd: checkout, stdio: 'ignore' }).status).toBe(0);
const failing = (...args: readonly string[]): number | null =>
  spawnSync('npx', ['vitest', 'run', ...args], { cwd: checkout, stdio: 'ignore' }).status;

/** Lists the files that changed since the checkout was read. */
const changedSince = (before: ReturnType<typeof readCheckout>): readonly string[] =>
  [...readCheckout()].flatMap(([path, text]) => (before.get(path) === text ? [] : [path])).sort();

/** Reads the sources and docs of the checkout. */
function readCheckout(): ReadonlyMap<string, string> {
  const paths = ['src', 'bin', 'docs', 'test'].flatMap((folder) =>
    readdirSync(join(checkout, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  return new Map(paths.map((path) => [relative(checkout, path), readFileSync(path, 'latin1')]));
}

describe('docs/explanation/adding-a-component.md', () => {
  it('lists directories, contracts and examples that exist', () => {
    const rows = [...page.matchAll(/^\| [a-z- ]+ \| `(src\/.*?)` \| `(.*?)` \| `(.*?)` \|$/gm)];
    expect(rows.length).toBe(17);
    for (const [, folder, contract, example] of rows) {
      for (const file of ['all.ts', contract!, example!])
        expect([folder, file, existsSync(join(root, folder!, file))]).toEqual([folder, file, true]);
    }
  });

  it('has an activation that changes one file by hand', { timeout: 3_600_000 }, (context) => {
    const compiler = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mtl', 'kernel-compiler');
    if (!existsSync(compiler)) context.skip('the compiler of kernels is not installed: npm run build:kernels');
    const before = readCheckout();
    write('An activation');
    run('An activation');
    expect(failing('test/graph', 'test/engines/float64.test.ts', 'test/engines/compile')).toBe(0);
    const generated = [
      'docs/reference/config.md',
      'src/kernels/scalar-functions.h',
      'src/kernels/wasm/kernels-relaxed.wasm',
      'src/kernels/wasm/kernels.wasm',
      'src/kernels/wasm/sources.sha256',
    ];
    expect(changedSince(before)).toEqual([...generated, 'src/graph/scalar-functions.ts'].sort());
  });

  it('has a state of one file and one line, which passes the battery', { timeout: 1_800_000 }, () => {
    const before = readCheckout();
    write('Add a kind of state');
    build();
    write('Test it');
    run('Test it');
    const battery = ['test/state/battery.test.ts', '-t', 'rows since'];
    expect(failing('--config', 'test/nightly.config.ts', ...battery)).toBe(0);
    const others = ['docs/reference/config.md', 'test/support/state-cases.ts'];
    const own = ['src/data/aggregates/all.ts', 'src/data/aggregates/rows-since.ts'];
    expect(changedSince(before)).toEqual([...others, ...own].sort());
    // A state that differs from its definition fails.
    const file = join(checkout, own[1]!);
    writeFileSync(file, readFileSync(file, 'utf8').replace('time > latest', 'time >= latest'));
    build();
    expect(failing('--config', 'test/long.config.ts', ...battery)).not.toBe(0);
  });

  it('has a schedule that is tested against PyTorch', { timeout: 600_000 }, (context) => {
    needsPython(context, 'torch');
    write('A schedule');
    build();
    // Without its reference values the test fails, as the page says.
    expect(failing('test/schedules')).not.toBe(0);
    run('A schedule');
    expect(failing('test/schedules')).toBe(0);
  });

  it('has a model that trains and passes the tests of the page', { timeout: 1_800_000 }, () => {
    write('A model');
    build();
    expect(failing('test/golden/golden.test.ts', '-t', 'my-model.yaml')).not.toBe(0);
    run('A model');
    run('Before you commit');
  });
});
