#!/usr/bin/env node
// Compiles the kernels from C to WebAssembly with LLVM and writes them to src/kernels/wasm, where git keeps them: a
// clone needs no compiler. --check compares bytes instead: exit code 1 if they differ, 3 without a compiler.
// Usage: node bin/build-kernels.js [--check] [--compiler DIRECTORY]
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { writeKernelSignatures } from './kernel-signatures.js';
import { kernelsDigest, readKernelSources } from './kernel-sources.js';
import { writeScalarFunctions } from './scalar-functions.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'src', 'kernels', 'wasm');
/** Another version may compile to other bytes. */
const COMPILER = '@yowasp/clang';
const VERSION = '22.0.0-git20542-10';
const EXIT_WITHOUT_COMPILER = 3;

/** Compiler options: nothing is fused but what the source fuses, as in native builds. */
const COMPILE = [
  '--target=wasm32-wasip1',
  '-I.',
  '-std=gnu11',
  '-O3',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wframe-larger-than=6144',
  '-msimd128',
  '-matomics',
  '-mbulk-memory',
  '-mmutable-globals',
];
/** Linker options. Stacks of 64 workers are below static variables; team.c chooses a worker's. */
const LINK = ['--no-entry', '--import-memory', '--stack-first', '--strip-all'];
const SHARED = ['--shared-memory', '--max-memory=4294967296'];
/** Options of modules with a memory per instance, of which callers reserve the first page. */
const SMALL_STACK = ['-z', 'stack-size=8192'];
/** Strength reduction turns free constant offsets of stores into additions: cutting lines takes 8% longer. */
const NO_STRENGTH_REDUCTION = ['-mllvm', '-disable-lsr'];

/** Folder of the sources, and options of the compiler and linker, by module. */
const MODULES = {
  kernels: ['.', [], [...SHARED, '-z', 'stack-size=524288']],
  'kernels-relaxed': ['.', ['-mrelaxed-simd'], [...SHARED, '-z', 'stack-size=524288']],
  cells: ['cells', NO_STRENGTH_REDUCTION, SMALL_STACK],
  lines: ['lines', NO_STRENGTH_REDUCTION, [...SHARED, ...SMALL_STACK]],
  rows: ['rows', NO_STRENGTH_REDUCTION, [...SHARED, ...SMALL_STACK]],
};

/** Installs the compiler; exits if npm cannot, for example without a network. */
function installCompiler(cache) {
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', cache];
  try {
    mkdirSync(cache, { recursive: true });
    execFileSync('npm', [...args, `${COMPILER}@${VERSION}`], { stdio: ['ignore', 2, 2] });
  } catch (error) {
    process.stderr.write(`cannot install ${COMPILER} ${VERSION}: ${error.message}\n`);
    process.exit(EXIT_WITHOUT_COMPILER);
  }
}

/** Imports the compiler; installs it into the user's cache unless it is there. */
async function openCompiler(directory) {
  const caches = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mtl');
  const cache = directory ?? join(caches, 'kernel-compiler', VERSION);
  const entry = join(cache, 'node_modules', COMPILER, 'gen', 'bundle.js');
  if (!existsSync(entry)) installCompiler(cache);
  const { runLLVM } = await import(pathToFileURL(entry).href);
  const text = new TextDecoder();
  return async (args, files) => {
    let output = '';
    const collect = (bytes) => void (output += bytes ? text.decode(bytes, { stream: true }) : '');
    try {
      return await runLLVM(args, files, { stdout: collect, stderr: collect, fetchProgress: () => undefined });
    } catch (error) {
      process.stderr.write(`${args[0]}: ${output || error.message}\n`);
      process.exit(1);
    }
  };
}

/** Returns texts by path as the compiler's file system: objects of files by directory. */
function toTree(sources) {
  const tree = {};
  for (const [path, text] of Object.entries(sources)) {
    const directories = path.split('/');
    const name = directories.pop();
    directories.reduce((into, directory) => (into[directory] ??= {}), tree)[name] = text;
  }
  return tree;
}

/** Compiles a module; returns its bytes. */
async function compileModule(run, sources, [directory, compileOptions, linkOptions]) {
  const names = Object.keys(sources).filter(
    (name) => name.endsWith('.c') && (directory === '.' ? !name.includes('/') : name.startsWith(`${directory}/`)),
  );
  const tree = toTree(sources);
  const objects = {};
  for (const name of names) {
    const object = `${name.replaceAll('/', '-')}.o`;
    const made = await run(['clang', ...COMPILE, ...compileOptions, '-c', name, '-o', object], tree);
    objects[object] = made[object];
  }
  const linked = await run(['wasm-ld', ...LINK, ...linkOptions, ...Object.keys(objects), '-o', 'module.wasm'], objects);
  return linked['module.wasm'];
}

await writeScalarFunctions();
writeKernelSignatures();
const args = process.argv.slice(2);
const isCheck = args.includes('--check');
const run = await openCompiler(args.includes('--compiler') ? args[args.indexOf('--compiler') + 1] : undefined);
const sources = readKernelSources();
const stale = [];
mkdirSync(target, { recursive: true });
for (const [name, options] of Object.entries(MODULES)) {
  const startMs = performance.now();
  const bytes = Buffer.from(await compileModule(run, sources, options));
  const path = join(target, `${name}.wasm`);
  const isSame = existsSync(path) && readFileSync(path).equals(bytes);
  process.stderr.write(`${name}: ${bytes.length} bytes, ${Math.round(performance.now() - startMs)} ms\n`);
  if (!isSame) stale.push(name);
  if (!isCheck && !isSame) writeFileSync(path, bytes);
}
if (!isCheck) writeFileSync(join(target, 'sources.sha256'), `${kernelsDigest()}\n`);
else if (stale.length > 0) {
  process.stderr.write(`other bytes than in src/kernels/wasm: ${stale.join(', ')}; run npm run build:kernels\n`);
  process.exitCode = 1;
}
