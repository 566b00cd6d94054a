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
      .filter((path) => /\.(?:ts|js)$/.test(path))
      .map((path) => readFileSync(join(root, directory, path), 'utf8')),
  );
}

describe('docs/reference/exit-codes.md', () => {
  const page = reference('exit-codes.md');
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
});

describe('docs/reference/errors.md', () => {
  it('has a section for each kind of error', () => {
    const codes = [...reference('errors.md').matchAll(/^## Exit code (\d+)/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('docs/reference/environment-variables.md', () => {
  const page = reference('environment-variables.md');

  it('has each variable that mtl reads', () => {
    const read = sourcesIn('src', 'bench', 'bin').flatMap((text) =>
      [...text.matchAll(/\b(?:env|environment)\['([A-Z_\d]+)'\]|'(MTL_[A-Z]+[A-Z_]*)'|\b(MLFLOW_[A-Z_]+):/g)].map(
        ([, own, mtl, mlflow]) => (own ?? mtl ?? mlflow)!,
      ),
    );
    // Coverage of Node's own tests is no concern of a reader.
    const names = [...new Set(read)].filter((name) => name !== 'NODE_V8_COVERAGE');
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('has no variable of mtl that nothing reads', () => {
    const texts = [...sourcesIn('src', 'bench', 'bin'), ...sourcesIn('test')].join('\n');
    const shown = [...new Set([...page.matchAll(/\bMTL_[A-Z_]+/g)].map(([name]) => name))];
    expect(shown.filter((name) => !texts.includes(name))).toEqual([]);
  });
});
