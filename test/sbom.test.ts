import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

interface Component {
  readonly name: string;
  readonly version: string;
  readonly 'bom-ref': string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}

interface Bom {
  readonly bomFormat: string;
  readonly metadata: { readonly component: { readonly name: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

it('npm run sbom lists the dependencies with their hashes, and no package of development alone', () => {
  const text = execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  const { bomFormat, metadata, components, dependencies: edges } = JSON.parse(text) as Bom;
  expect([bomFormat, metadata.component.name]).toEqual(['CycloneDX', 'mtl']);
  const { version, dependencies, optionalDependencies, devDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as { version: string } & Record<`${'d' | 'optionalD' | 'devD'}ependencies`, Record<string, string>>;
  const listed = components.map((each) => `${each.name} ${each.version}`);
  const names = (of: Record<string, string>): string[] => Object.entries(of).map((entry) => entry.join(' '));
  expect(listed).toEqual(expect.arrayContaining(names({ ...dependencies, ...optionalDependencies })));
  expect(listed).not.toContain(`typescript ${devDependencies['typescript']}`);
  // The lock file marks packages that only development needs.
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { readonly version: string; readonly dev?: boolean }>;
  };
  const shipped = Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { version: own }]) => `${path.replace(/.*node_modules\//, '')} ${own}`);
  expect([...new Set(listed)].sort()).toEqual([...new Set(shipped)].sort());
  const refs = [...components.map((each) => each['bom-ref']), `mtl@${version}`];
  expect(edges.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]).filter((ref) => !refs.includes(ref))).toEqual([]);
  for (const { name, purl, hashes } of components)
    expect([name, purl, hashes]).toEqual([
      name,
      expect.stringMatching(/^pkg:npm\//),
      [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) as string }],
    ]);
});
