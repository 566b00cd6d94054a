import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../src/core/errors.js';

const root = join(import.meta.dirname, '..', '..');
const reference = (name: string): string => readFileSync(join(root, 'docs', 'reference', name), 'utf8');

/** Sources below some directories, with their text. */
function sourcesIn(...directories: readonly string[]): readonly string[] {
  return directories.flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(?:ts|js|py|ya?ml|ipynb)$/.test(path))
      .map((path) => readFileSync(join(root, directory, path), 'utf8')),
  );
}

describe('docs/reference/errors.md', () => {
  const page = reference('errors.md');
  const rows = [...page.matchAll(/^\| (\d+) \| (?:`(\w+)`)? ?\|/gm)].map(([, code, kind]) => [Number(code), kind]);

  it('has each exit code, with its kind of error', () => {
    const kinds: Readonly<Record<string, number>> = EXIT_CODES;
    expect(new Set(rows.map(([code]) => code))).toEqual(new Set(Object.values(kinds)));
    for (const [code, kind] of rows) if (typeof kind === 'string') expect([kind, kinds[kind]]).toEqual([kind, code]);
    const named = rows.flatMap(([, kind]) => kind ?? []);
    const unnamed = ['done', 'notPromoted', 'SIGINT', 'SIGTERM', 'SIGBREAK'];
    expect(
      Object.keys(kinds)
        .filter((kind) => !unnamed.includes(kind))
        .sort(),
    ).toEqual([...named].sort());
  });

  it('has a section for each kind of error', () => {
    const codes = [...page.matchAll(/^## Exit code (\d+)/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('docs/reference/environment-variables.md', () => {
  const page = reference('environment-variables.md');
  const files = ['Dockerfile', 'compose.yaml', '.ci/install.sh', '.ci/tests.sh'].map((path) =>
    readFileSync(join(root, path), 'utf8'),
  );
  const code = [...sourcesIn('src', 'bench', 'bin', 'clients', 'deploy'), ...files];

  it('has each variable that mtl, its clients and its deployments read', () => {
    const read = code.flatMap((text) =>
      [
        // Access by name in JavaScript and Python.
        ...text.matchAll(/\b(?:env|environment)\['(\w+)'\]|\bos\.environ(?:\.get)?[([]["'](\w+)["']/g),
        // Names in constants, keys of objects and shell.
        ...text.matchAll(/\b(MTL_[A-Z_]*[A-Z])\b|'((?:OMPI|PMIX?|SLURM)_[A-Z_]+|MPI_LOCALNRANKS)'/g),
        ...text.matchAll(/\b((?:MLFLOW|OMP|UCX)_[A-Z_]+|OMPI_MCA_memory)\b/g),
      ].map(([, ...names]) => names.join('')),
    );
    // Node's own coverage is no concern of a reader.
    const names = [...new Set(read)].filter((name) => name !== 'NODE_V8_COVERAGE').sort();
    expect(names).toEqual(expect.arrayContaining(['CC', 'MTL_COMMAND', 'MTL_RUNS', 'PMI_SIZE', 'UCX_MEM_EVENTS']));
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('has no variable of mtl that nothing reads', () => {
    const texts = [...code, ...sourcesIn('test')].join('\n');
    const shown = [...new Set([...page.matchAll(/\bMTL_[A-Z_]+/g)].map(([name]) => name))];
    expect(shown.filter((name) => !texts.includes(name))).toEqual([]);
  });
});
