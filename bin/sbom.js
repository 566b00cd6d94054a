#!/usr/bin/env node
// npm run sbom: prints the packages that the package contains in the CycloneDX format. For npm they are development
// dependencies, as are others, so this script removes the others from the whole list.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listBundledPackages } from './bundled-packages.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const DEVELOPMENT = 'cdx:npm:package:development';

/** Returns the names and versions of the package and of those that it contains, as references of CycloneDX. */
function readShipped() {
  const { name: own, packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const nameOf = (path) => (path === '' ? own : path.replace(/^.*node_modules\//, ''));
  const shipped = ['', ...listBundledPackages()];
  return { own, refs: new Set(shipped.map((path) => `${nameOf(path)}@${packages[path].version}`)) };
}

const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
const options = { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26, shell: process.platform === 'win32' };
const { metadata, components, dependencies, ...document } = JSON.parse(execFileSync('npm', args, options));
const { own, refs } = readShipped();
const result = {
  ...document,
  // npm names the package after its directory.
  metadata: { ...metadata, component: { ...metadata.component, name: own } },
  components: components
    .filter((component) => refs.has(component['bom-ref']))
    // npm marks a package that is installed at several paths by one of them.
    .map((each) => ({ ...each, properties: each.properties.filter(({ name }) => name !== DEVELOPMENT) })),
  dependencies: dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) })),
};
console.log(JSON.stringify(result, null, 2));
