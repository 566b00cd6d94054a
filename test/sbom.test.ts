import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { needsPython, python } from './support/python.js';
import { scratchFolder } from './support/scratch.js';

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

const printSbom = (): string =>
  execFileSync('npm', ['run', '--silent', 'sbom'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });

/** Validates documents strictly against the schema of their version of CycloneDX; prints the first error of each. */
const VALIDATE = `
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[1:]:
    text = open(path).read()
    version = SchemaVersion.from_version(json.loads(text)['specVersion'])
    error = JsonStrictValidator(version).validate_str(text)
    print('valid' if error is None else error.data.message)
`;

it('npm run sbom matches the schema of CycloneDX', { timeout: 120_000 }, (context) => {
  needsPython(context, 'cyclonedx.validation.json', 'jsonschema', 'referencing');
  const folder = scratchFolder();
  const paths = ['valid', 'invalid'].map((name) => join(folder, `${name}.json`));
  const text = printSbom();
  writeFileSync(paths[0]!, text);
  const { components, ...document } = JSON.parse(text) as Bom;
  const [first, ...others] = components;
  writeFileSync(paths[1]!, JSON.stringify({ ...document, components: [{ ...first, size: 1 }, ...others] }));
  expect(python(folder, VALIDATE, paths).split('\n')).toEqual([
    'valid',
    expect.stringMatching(/'size' was unexpected/) as string,
    '',
  ]);
});

it('npm run sbom lists the packages in the notices with their hashes, and no package of development alone', () => {
  const { bomFormat, metadata, components, dependencies: edges } = JSON.parse(printSbom()) as Bom;
  expect([bomFormat, metadata.component.name]).toEqual(['CycloneDX', 'mtl-recommender']);
  const listed = components.map((each) => `${each.name} ${each.version}`);
  const notices = readFileSync(join(root, 'THIRD_PARTY_NOTICES.md'), 'utf8').matchAll(/^## (\S+ \S+)$/gm);
  expect(listed.toSorted()).toEqual(Array.from(notices, ([, notice]) => notice!).toSorted());
  const { name, version, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  for (const given of ['csv-parse', 'pino', 'yaml', 'yargs', 'zod'])
    expect(listed).toContain(`${given} ${devDependencies[given]}`);
  expect(listed).not.toContain(`typescript ${devDependencies['typescript']}`);
  const refs = [...components.map((each) => each['bom-ref']), `${name}@${version}`];
  expect(edges.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]).filter((ref) => !refs.includes(ref))).toEqual([]);
  for (const { name, purl, hashes } of components)
    expect([name, purl, hashes]).toEqual([
      name,
      expect.stringMatching(/^pkg:npm\//),
      [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) as string }],
    ]);
});
