// Compares modification times to find out whether packages or the build are stale. setup.js renews what is stale; a
// test run rejects a stale build. Imports only Node's own modules, since no package may be installed yet.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Empty file whose modification time is that of the last install. */
export const INSTALLED = join('node_modules', '.installed');

export function isInstallStale(root) {
  return (
    modifiedMs(root, INSTALLED) < Math.max(modifiedMs(root, 'package-lock.json'), modifiedMs(root, 'package.json'))
  );
}

export function isBuildStale(root) {
  const sourcesMs = Math.max(newestMs(join(root, 'src')), modifiedMs(root, INSTALLED));
  return modifiedMs(root, 'dist', '.built') < sourcesMs;
}

function modifiedMs(...path) {
  return statSync(join(...path), { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;
}

function newestMs(folder) {
  const entries = readdirSync(folder, { withFileTypes: true });
  const times = entries.map((entry) => (entry.isDirectory() ? newestMs : modifiedMs)(`${folder}/${entry.name}`));
  return Math.max(-Infinity, ...times);
}
