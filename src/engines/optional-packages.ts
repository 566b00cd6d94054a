import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { userError } from '../core/errors.js';

// Packages for GPUs are large and few machines can use them, so they are optional: a user's project may have them, or
// `mtl setup` installs them into the user's cache.

/** Options of npm: install scripts would download what mtl does not use. */
const INSTALL = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

/** Reads the version of an optional package that mtl is tested with: the lowest of its range in package.json. */
export function testedVersion(name: string): string {
  const { peerDependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly peerDependencies: Readonly<Record<string, string>>;
  };
  return peerDependencies[name]!.replace(/^\^/, '');
}

/**
 * Installs the tested version of an optional package with npm, without its install script, into an empty directory.
 * @param where command, for the error
 * @param onStep receives the command line before it runs
 * @throws UserError (usage) if npm fails
 */
export function installPackage(folder: string, name: string, where: string, onStep: (text: string) => void): void {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }));
  const args = [...INSTALL, `${name}@${testedVersion(name)}`];
  onStep(`running 'npm ${args.join(' ')}' in ${folder}`);
  runProgram('npm', args, folder, where);
}

/** Replaces a directory by one that is filled first, so that it is never incomplete. */
export function replaceFolder(folder: string, fill: (fresh: string) => void): void {
  mkdirSync(dirname(folder), { recursive: true });
  const fresh = mkdtempSync(`${folder}-`);
  try {
    fill(fresh);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/**
 * Runs a program; its output goes to stderr.
 * @throws UserError (usage) if it fails
 */
export function runProgram(command: string, args: readonly string[], cwd: string, where: string): void {
  try {
    // npm is a script on Windows.
    execFileSync(command, args, { cwd, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  } catch (error) {
    const { status, message } = error as Error & { readonly status?: number };
    const reason = status === undefined ? message : `exit code ${status}`;
    throw userError(
      'usage',
      {
        where,
        message: `'${[command, ...args].join(' ')}' failed (${reason})`,
        fix: 'see its output above, and run the same command again',
      },
      error,
    );
  }
}
