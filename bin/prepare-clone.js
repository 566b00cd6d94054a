// Imports only Node's own modules, since no package may be installed yet.
import { once } from 'node:events';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withSetupLock } from './setup-lock.js';
import { isBuildStale, isInstallStale } from './staleness.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...path) => join(root, ...path);
/** Prints a line on stderr. */
export const print = (text) => void process.stderr.write(`mtl: ${text}\n`);

/**
 * Installs the packages of a clone if they differ from the lock file, and builds if a source is newer than the build.
 * Ends the process with exit code 1 if either fails.
 */
export async function prepareClone() {
  // An installed package has neither sources nor a lock file.
  if (!existsSync(at('src')) || !existsSync(at('package-lock.json'))) return;
  try {
    if (!isInstallStale(root) && !isBuildStale(root)) return;
    await withSetupLock(root, () => print('another process prepares this clone; waiting for it …'), installAndBuild);
  } catch (error) {
    print(error.message);
    process.exit(1);
  }
}

async function installAndBuild() {
  if (isInstallStale(root))
    // No package requires its install script.
    await run('npm ci --ignore-scripts --no-audit --no-fund --loglevel=error', 'installing packages');
  if (!isBuildStale(root)) return;
  // Builds into a new directory and renames it, so that a command that starts meanwhile finds a complete build.
  const [fresh, old] = [`.dist-${process.pid}`, `.dist-${process.pid}-old`];
  try {
    await run(`"${process.execPath}" bin/build.js ${fresh}`, 'building');
    if (existsSync(at('dist'))) renameSync(at('dist'), at(old));
    renameSync(at(fresh), at('dist'));
  } finally {
    for (const left of [fresh, old]) rmSync(at(left), { recursive: true, force: true });
  }
}

async function run(line, why) {
  print(`${why} …`);
  // Loaded only if something is stale. Through a shell, since npm is a batch file on Windows. Output goes to stderr, so
  // that a program that reads stdout sees only the command's own output.
  const { spawn } = process.getBuiltinModule('node:child_process');
  const [code] = await once(spawn(line, { cwd: root, shell: true, stdio: ['ignore', 2, 2] }), 'exit');
  if (code !== 0) throw new Error(`'${line}' failed; see its output above`);
}
