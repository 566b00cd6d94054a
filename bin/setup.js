#!/usr/bin/env node
// Prepares a clone: installs packages if the lock file is newer than the last install, and builds if a source is newer
// than the last build. Imports only Node's own modules, since no package may be installed yet.
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { INSTALLED, isBuildStale, isInstallStale } from './staleness.js';

/** Loaded only if something is stale. */
const childProcess = () => process.getBuiltinModule('node:child_process');

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);

function run(line, why) {
  process.stderr.write(`mtl: ${why} …\n`);
  // Output goes to stderr, so that a program that reads stdout sees only the command's own output.
  try {
    // Through a shell, since npm is a batch file on Windows.
    childProcess().execSync(line, { cwd: root, stdio: ['ignore', 2, 2] });
  } catch {
    throw new Error(`'${line}' failed; see its output above`);
  }
}

/**
 * Builds the native C kernels, which give the same results as WebAssembly, faster, unless a package of this platform
 * has them; without a compiler, WebAssembly runs.
 */
async function buildNative() {
  const load = (file) => import(pathToFileURL(at('dist', 'engines', 'cpu', 'native', file)).href);
  const prebuilt = (await load('prebuilt.js')).findPrebuilt();
  if (prebuilt?.path !== undefined) return;
  const { buildAddon } = await load('build.js');
  process.stderr.write('mtl: building native kernels …\n');
  const begin = performance.now();
  const built = buildAddon({ isInsistent: true });
  if ('reason' in built)
    process.stderr.write(
      `mtl: native kernels are not available (${built.reason}); WebAssembly kernels give the same results\n`,
    );
  else if (built.isNew)
    process.stderr.write(`mtl: built native kernels in ${((performance.now() - begin) / 1000).toFixed(1)} s\n`);
}

async function main() {
  // An installed package has neither sources nor a lock file.
  if (existsSync(at('src')) && existsSync(at('package-lock.json'))) {
    if (isInstallStale(root)) {
      // No package requires its install script.
      run('npm ci --ignore-scripts --no-audit --no-fund --loglevel=error', 'installing packages');
      writeFileSync(at(INSTALLED), '');
    }
    if (isBuildStale(root)) {
      // Builds into a new directory and renames it, so that a command that starts meanwhile finds a complete build.
      const [fresh, old] = [`.dist-${process.pid}`, `.dist-${process.pid}-old`];
      try {
        run(`"${process.execPath}" bin/build.js ${fresh}`, 'building');
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
