// Finds out whether packages or the build are stale. setup.js renews what is stale; a test run rejects a stale build.
// Imports only Node's own modules, since no package may be installed yet.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** File in which npm lists the packages that it has installed, in the form of the lock file. */
const INSTALLED = join('node_modules', '.package-lock.json');

/**
 * Returns whether the installed packages differ from those of the lock file, or the lock file from package.json. npm
 * omits optional packages of other platforms.
 */
export function isInstallStale(root) {
  const installed = readJson(root, INSTALLED)?.packages;
  if (installed === undefined) return true;
  const { '': main = {}, ...locked } = readJson(root, 'package-lock.json').packages ?? {};
  return (
    !isSame(main.devDependencies, readJson(root, 'package.json').devDependencies) ||
    Object.entries(locked).some(([path, { version, integrity, optional }]) => {
      const found = installed[path];
      return found === undefined ? optional !== true : found.version !== version || found.integrity !== integrity;
    })
  );
}

export function isBuildStale(root) {
  const sourcesMs = Math.max(newestMs(join(root, 'src')), modifiedMs(root, INSTALLED));
  return modifiedMs(root, 'dist', '.built') < sourcesMs;
}

/** Compares the versions of packages by name. */
function isSame(some = {}, others = {}) {
  const names = Object.keys(some);
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name]);
}

/** Reads a file; undefined if it does not exist. */
function readJson(...path) {
  try {
    return JSON.parse(readFileSync(join(...path), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function modifiedMs(...path) {
  return statSync(join(...path), { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;
}

function newestMs(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  const times = entries.map((entry) => (entry.isDirectory() ? newestMs : modifiedMs)(`${folder}/${entry.name}`));
  return Math.max(-Infinity, ...times);
}
