#!/usr/bin/env node
// Compiles the native kernels for every platform with Zig (pip install ziglang), and writes a package for each to
// npm/PLATFORM, ready for npm publish. Exit code 3 without Zig.
// Usage: node bin/prebuild.js [PLATFORM …] [--out DIRECTORY] [--write-dependencies]
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileKernels, hashKernels, SOURCES } from '../dist/engines/cpu/native/build.js';
import { ADDON_FILE, packageName, PLATFORMS } from '../dist/engines/cpu/native/prebuilt.js';
import { FLAGS, nodeHeaders, LINKING } from '../dist/system/native-build.js';
import { runPrograms } from '../dist/system/programs.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const EXIT_WITHOUT_ZIG = 3;
const COMPILE_MS = 600_000;

/** Zig's names of the platforms. Node 20 requires glibc 2.28 and macOS 11 on ARM. */
const TARGETS = {
  'linux-x64-gnu': 'x86_64-linux-gnu.2.28',
  'linux-x64-musl': 'x86_64-linux-musl',
  'linux-arm64-gnu': 'aarch64-linux-gnu.2.28',
  'linux-arm64-musl': 'aarch64-linux-musl',
  'darwin-arm64': 'aarch64-macos.11.0',
  'darwin-x64': 'x86_64-macos.11.0',
  'win32-x64': 'x86_64-windows-gnu',
};
/** Import library of Node-API, which Windows requires for symbols of node.exe. */
const IMPORT_LIBRARY = 'node.lib';
const LINKS = { ...LINKING, win32: ['-shared', IMPORT_LIBRARY, '-lapi-ms-win-core-synch-l1-2-0'] };

/** Returns a command that runs Zig, and its version: of the Python in MTL_PYTHON, of python3, or in PATH. */
function findZig() {
  const candidates = [[process.env['MTL_PYTHON'] ?? 'python3', '-m', 'ziglang'], ['python3', '-m', 'ziglang'], ['zig']];
  for (const zig of candidates) {
    try {
      const [program, ...args] = zig;
      return { zig, version: execFileSync(program, [...args, 'version'], { encoding: 'utf8', stdio: 'pipe' }).trim() };
    } catch {
      // The next candidate follows.
    }
  }
  process.stderr.write('mtl: no Zig was found; run pip install ziglang, and set MTL_PYTHON to that Python\n');
  process.exit(EXIT_WITHOUT_ZIG);
}

/** Writes the import library of node.exe from the lists of exported symbols in node-api-headers. */
function writeImportLibrary(run, scratch) {
  const folder = join(dirname(createRequire(import.meta.url).resolve('node-api-headers')), 'def');
  const symbols = ['js_native_api', 'node_api'].flatMap((name) =>
    readFileSync(join(folder, `${name}.def`), 'utf8')
      .split(/\r?\n/)
      .filter((line) => /^\s*n(api|ode)_\w+$/.test(line)),
  );
  writeFileSync(join(scratch, 'node.def'), `LIBRARY node.exe\nEXPORTS\n${symbols.join('\n')}\n`);
  run('dlltool', '-m', 'i386:x86-64', '-d', 'node.def', '-l', IMPORT_LIBRARY);
}

/** Compiles the addon of a platform to a path. */
function compileAddon({ zig: [program, ...zig] }, platform, path) {
  const { os, cpu } = PLATFORMS[platform];
  const scratch = mkdtempSync(join(tmpdir(), 'mtl-prebuild-'));
  const run = (...args) => execFileSync(program, [...zig, ...args], { cwd: scratch, stdio: 'pipe' });
  const options = ['cc', '-target', TARGETS[platform], ...FLAGS];
  const compile = (argLists) =>
    runPrograms({
      program,
      argLists: argLists.map((args) => [...zig, ...options, ...args]),
      cwd: scratch,
      timeoutMs: COMPILE_MS,
    });
  try {
    if (os === 'win32') writeImportLibrary(run, scratch);
    const compiler = {
      compile,
      link: (...inputs) => compile([['-I', nodeHeaders(), ...inputs, '-s', ...LINKS[os], '-o', 'built.node']]),
      source: (file) => join(SOURCES, file),
    };
    compileKernels(cpu, compiler, (error) => {
      throw error;
    });
    copyFileSync(join(scratch, 'built.node'), path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Writes the package of a platform. */
function writePackage(compiler, platform, folder, { name, version, license, engines, repository }) {
  const { os, cpu, libc } = PLATFORMS[platform];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  compileAddon(compiler, platform, join(folder, ADDON_FILE));
  const manifest = {
    name: packageName(name, platform),
    version,
    description: `Native kernels of ${name} for ${platform}`,
    license,
    repository,
    engines,
    os: [os],
    cpu: [cpu],
    libc: libc && [libc],
    files: [ADDON_FILE],
    main: ADDON_FILE,
    publishConfig: { access: 'public', provenance: true },
    kernels: hashKernels(cpu),
    compiler: `zig ${compiler.version}`,
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  const about = `Native kernels of [${name}](https://www.npmjs.com/package/${name}) for ${platform}.`;
  writeFileSync(join(folder, 'README.md'), `# ${manifest.name}\n\n${about} npm installs them with ${name}.\n`);
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
}

/** Adds the packages to the optional dependencies of package.json, for npm publish. Git keeps the file without them. */
function writeDependencies(main) {
  const path = join(root, 'package.json');
  const packages = Object.keys(PLATFORMS).map((platform) => [packageName(main.name, platform), main.version]);
  const optionalDependencies = { ...main.optionalDependencies, ...Object.fromEntries(packages) };
  writeFileSync(path, `${JSON.stringify({ ...main, optionalDependencies }, undefined, 2)}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string', default: join(root, 'npm') }, 'write-dependencies': { type: 'boolean' } },
});
const unknown = positionals.find((platform) => !(platform in PLATFORMS));
if (unknown !== undefined) {
  process.stderr.write(`mtl: unknown platform ${unknown}; use ${Object.keys(PLATFORMS).join(', ')}\n`);
  process.exit(2);
}
const compiler = findZig();
const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
try {
  for (const platform of positionals.length > 0 ? positionals : Object.keys(PLATFORMS)) {
    process.stderr.write(`mtl: compiling kernels for ${platform} …\n`);
    writePackage(compiler, platform, resolve(values.out, platform), main);
  }
} catch (error) {
  // The compiler's own messages, if it failed.
  const stderr = error.run?.stderr ?? error.stderr;
  process.stderr.write(`mtl: ${stderr?.length > 0 ? stderr : error.message}\n`);
  process.exit(1);
}
if (values['write-dependencies']) writeDependencies(main);
