// Breaks gradients of kernels one at a time, in a copy of the clone, and looks which test of `npm test` fails.
// node test/mutations/run.js [WORD ...]    those alone whose kernel or mutation has one of these words
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutated, MUTATIONS } from './mutations.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = [
  'bench',
  'bin',
  'configs',
  'data/sample',
  'dist',
  'docs',
  'src',
  'test',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'vitest.config.ts',
];
/** Tests of npm test that run kernels: those first that find most. */
const STAGES = [
  ['test/engines/float64', 'test/engines/native-proof', 'test/optimizers/cases'],
  ['test/engines', 'test/optimizers', 'test/losses', 'test/weightings', 'test/models', 'test/golden', 'test/training'],
];
const TEST_MS = 900_000;

/** A copy of the clone that shares its packages, with a cache of its own. */
function copyClone() {
  const copy = mkdtempSync(join(tmpdir(), 'mtl-mutations-'));
  for (const path of COPIED) {
    mkdirSync(join(copy, path, '..'), { recursive: true });
    cpSync(join(root, path), join(copy, path), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Compilers need not be quick: a test that times out would pass for one that fails. */
const BUILD_ADDON = `
  const { buildAddon } = await import('./dist/engines/cpu/native/build.js');
  const built = buildAddon({ isInsistent: true });
  if ('reason' in built) throw new Error(built.reason);`;

const environment = (copy) => ({ ...process.env, XDG_CACHE_HOME: join(copy, 'cache') });

function buildAddon(copy) {
  execFileSync(process.execPath, ['--input-type=module', '-e', BUILD_ADDON], {
    cwd: copy,
    env: environment(copy),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Compiles the kernels of a copy to WebAssembly and natively. */
function build(copy) {
  // The compiler is in the user's cache.
  execFileSync(process.execPath, ['bin/build-kernels.js'], { cwd: copy, stdio: ['ignore', 'ignore', 'inherit'] });
  const [kernels, dist] = [join(copy, 'src', 'kernels'), join(copy, 'dist')];
  for (const name of readdirSync(kernels).filter((each) => /\.[ch]$/.test(each)))
    cpSync(join(kernels, name), join(dist, 'native', name));
  for (const name of readdirSync(join(kernels, 'wasm')).filter((each) => each.endsWith('.wasm')))
    cpSync(join(kernels, 'wasm', name), join(dist, name));
  buildAddon(copy);
  const now = new Date();
  utimesSync(join(dist, '.built'), now, now);
}

/** Finds kernels that differ only natively; other mutations must fail a test on a machine without a compiler, too. */
const NATIVE_PROOF = 'test/engines/native-proof.test.ts';

/** The first test that fails, of files below some paths; undefined if all pass. */
function firstFailure(copy, paths, isNative) {
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const args = [
    join('node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--tags-filter=!long',
    '--no-isolate',
    '--bail=1',
    `--testTimeout=${TEST_MS}`,
    `--hookTimeout=${TEST_MS}`,
    '--reporter=json',
    `--outputFile=${report}`,
    ...(isNative ? [] : [`--exclude=${NATIVE_PROOF}`]),
    ...paths,
  ];
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    env: environment(copy),
    encoding: 'utf8',
    timeout: 2 * TEST_MS,
    maxBuffer: 2 ** 26,
  });
  if (status === 0) return undefined;
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  for (const { name, status: ofFile, message, assertionResults } of testResults) {
    const failed = assertionResults.find((test) => test.status === 'failed');
    if (failed !== undefined) return `${relative(copy, name)}: ${failed.title}`;
    if (ofFile === 'failed') return `${relative(copy, name)}: ${message.split('\n')[0]}`;
  }
  throw new Error(`the tests ended with ${status} and no failure: ${stderr.slice(-500)}`);
}

const words = process.argv.slice(2);
const chosen = MUTATIONS.filter(
  ({ kernel, mutation }) => words.length === 0 || words.some((word) => `${kernel} ${mutation}`.includes(word)),
);
const originals = new Map(MUTATIONS.map(({ file }) => [file, readFileSync(join(root, file), 'utf8')]));
for (const mutation of MUTATIONS) mutated(originals.get(mutation.file), mutation);

execFileSync(process.execPath, ['bin/setup.js'], { cwd: root, stdio: 'inherit' });
const copy = copyClone();
let numMissed = 0;
try {
  buildAddon(copy);
  const broken = firstFailure(copy, STAGES.flat(), true);
  if (broken !== undefined) throw new Error(`a test fails without a mutation: ${broken}`);
  console.log('| kernel | mutation | caught by |\n|---|---|---|');
  for (const mutation of chosen) {
    const { kernel, mutation: how, file, isNative = false } = mutation;
    writeFileSync(join(copy, file), mutated(originals.get(file), mutation));
    build(copy);
    const caught = STAGES.reduce((found, paths) => found ?? firstFailure(copy, paths, isNative), undefined);
    if (caught === undefined) numMissed++;
    console.log(`| ${kernel} | ${how} | ${caught ?? 'NO TEST'} |`);
    cpSync(join(root, file), join(copy, file));
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
if (numMissed > 0) {
  console.error(`${numMissed} of ${chosen.length} mutations pass npm test: add a test that fails for each`);
  process.exitCode = 1;
}
