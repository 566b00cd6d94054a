// Whether a clone's packages or its build are older than what they are made of, by times of modification. setup.js
// renews
// what is stale; a test run refuses a stale build. Uses nothing but Node, since nothing else may be there yet.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The empty file whose time is that of the last install. */
export const INSTALLED = join('node_modules', '.installed');

/** Whether the lock file or the manifest is newer than what is installed. */
export function isInstallStale(root) {
  return (
    modifiedMs(root, INSTALLED) < Math.max(modifiedMs(root, 'package-lock.json'), modifiedMs(root, 'package.json'))
  );
}

/** Whether a source, the compiler's settings or what is installed are newer than dist/. */
export function isBuildStale(root) {
  const sourcesMs = Math.max(
    newestMs(join(root, 'src')),
    modifiedMs(root, 'tsconfig.build.json'),
    modifiedMs(root, INSTALLED),
  );
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
