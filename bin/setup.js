#!/usr/bin/env node
// Makes a clone ready to run: installs when the lock file is newer than what is installed, builds when sources are
// newer
// than what is built. Uses nothing but Node, since nothing else may be there yet.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { INSTALLED, isBuildStale, isInstallStale } from './staleness.js';

/** Loaded where something is stale alone. */
const execFileSync = (...args) => process.getBuiltinModule('node:child_process').execFileSync(...args);

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);

function run(command, args, why) {
  process.stderr.write(`mtl: ${why} …\n`);
  // Output goes to stderr, so that what reads stdout sees the command's own.
  try {
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  } catch {
    throw new Error(`'${[command, ...args].join(' ')}' failed, see above`);
  }
}

/**
 * TensorFlow.js's way to CUDA; its install script fetches hundreds of megabytes that only a card of NVIDIA's has a use
 * for.
 */
const CUDA_PACKAGE = '@tensorflow/tfjs-node-gpu';

/** Whether NVIDIA's driver is here: the kernel tells, or the tool that comes with it. */
function hasNvidiaDriver() {
  if (existsSync('/proc/driver/nvidia/version')) return true;
  try {
    execFileSync('nvidia-smi', ['-L'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs that script where there is a driver; where it fails, nothing is missing but that way. */
function fetchCuda() {
  if (!existsSync(at('node_modules', CUDA_PACKAGE)) || !hasNvidiaDriver()) return;
  try {
    run(
      'npm',
      ['rebuild', CUDA_PACKAGE, '--foreground-scripts'],
      "there is NVIDIA's driver: fetching TensorFlow for CUDA 11",
    );
  } catch (error) {
    process.stderr.write(
      `mtl: no TensorFlow for CUDA 11 (${error.message}); npx mtl setup-cuda fetches the one for the CUDA of today\n`,
    );
  }
}

/** Builds the kernels in C, which are as good as WebAssembly's and faster; without a compiler, nothing is missing. */
async function buildNative() {
  const { buildAddon } = await import(pathToFileURL(at('dist', 'engines', 'simd', 'native', 'build.js')).href);
  process.stderr.write('mtl: building native kernels …\n');
  const begin = performance.now();
  const built = buildAddon({ isInsistent: true });
  if ('reason' in built)
    process.stderr.write(`mtl: no native kernels (${built.reason}): WebAssembly's do it all, with the same results\n`);
  else if (built.isNew)
    process.stderr.write(`mtl: built native kernels in ${((performance.now() - begin) / 1000).toFixed(1)} s\n`);
}

async function main() {
  // An installed package has neither sources nor a lock file, and needs nothing.
  if (existsSync(at('src')) && existsSync(at('package-lock.json'))) {
    if (isInstallStale(root)) {
      // No package needs its script, and that of one is run below where it is of use.
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], 'installing what it needs');
      fetchCuda();
      writeFileSync(at(INSTALLED), '');
    }
    if (isBuildStale(root)) {
      // Built aside and then renamed: a command that starts meanwhile finds the old build or the new one, whole.
      const [fresh, old] = [`.dist-${process.pid}`, `.dist-${process.pid}-old`];
      try {
        run('npm', ['run', '--silent', 'build', '--', fresh], 'building, which takes about a minute');
        if (existsSync(at('dist'))) renameSync(at('dist'), at(old));
        renameSync(at(fresh), at('dist'));
        await buildNative();
      } finally {
        for (const left of [fresh, old]) rmSync(at(left), { recursive: true, force: true });
      }
    }
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`mtl: ${error.message}\n`);
  process.exit(1);
}
