import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { packInto } from '../support/packed.js';
import { linksOf } from '../support/pages.js';

const root = join(import.meta.dirname, '..', '..');
const { files, unpackedSize } = packInto();
/** Types are written before npm packs: test/package/types.test.ts. */
const paths = files.map(({ path }) => path).filter((path) => !/^dist\/index\.d\.c?ts$/.test(path));
const MAX_BYTES = 16e6;

/** What the package consists of: each file matches one line, and each line matches a file. */
const CONTENTS: readonly RegExp[] = [
  /^(?:CHANGELOG|CONTRIBUTING|README|SECURITY|THIRD_PARTY_NOTICES)\.md$/,
  /^LICENSE$/,
  /^package\.json$/,
  /^bin\/mtl\.js$/,
  /^configs\/(?:\w+\/)?[\w.-]+\.yaml$/,
  /^sweeps\/[\w-]+\.(?:yaml|sh)$/,
  /^data\/README\.md$/,
  /^data\/sample\/(?:[\w-]+\.csv|oracle\.json)$/,
  /^deploy\/helm\/mtl\/(?:(?:templates|files)\/)?[\w.-]+\.(?:yaml|json|tpl|txt)$/,
  /^deploy\/monitoring\/(?:alerts\.yaml|grafana\.json)$/,
  /^docs\/(?:[\w-]+\/)?[\w-]+\.(?:md|png)$/,
  // The library, and the schema for editors.
  /^dist\/index\.c?js$/,
  /^dist\/config\.schema\.json$/,
  /^dist\/bundle\/[\w-]+\.js$/,
  // The command and its threads.
  /^dist\/command\/(?:[\w-]+\.cjs|id)$/,
  /^dist\/threads\/[\w-]+\.cjs$/,
  // Kernels: compiled, and as sources for the user's compiler.
  /^dist\/[\w-]+\.wasm$/,
  /^dist\/native\/[\w-]+\.[ch]$/,
  /^dist\/node-api\/[\w-]+\.h$/,
  /^dist\/cluster\/native\/[\w-]+\.[ch]$/,
  /^dist\/baseline\/(score|train)_trees\.py$/,
];

describe('the contents of the package', () => {
  it('are these files, and no others', () => {
    expect(paths.filter((path) => !CONTENTS.some((pattern) => pattern.test(path)))).toEqual([]);
    expect(CONTENTS.filter((pattern) => !paths.some((path) => pattern.test(path)))).toEqual([]);
  });

  it(`have at most ${MAX_BYTES / 1e6} MB in at most 500 files`, () => {
    expect(unpackedSize).toBeLessThanOrEqual(MAX_BYTES);
    expect(files.length).toBeLessThanOrEqual(500);
  });

  it('are reached by every relative link of a page', () => {
    const broken = paths
      .filter((path) => path.endsWith('.md'))
      .flatMap((page) =>
        linksOf(page)
          .map((link) => link.split('#')[0]!)
          .filter((link) => link !== '')
          .map((link) => join(dirname(page), link).replace(/\/$/, ''))
          .filter((target) => !paths.some((path) => path === target || path.startsWith(`${target}/`)))
          .map((target) => `${page} links to ${target}`),
      );
    expect(broken).toEqual([]);
  });

  it('import no package', () => {
    const imported = paths
      .filter((path) => /^dist\/.*\.c?js$/.test(path))
      .flatMap((path) => {
        const text = readFileSync(join(root, path), 'utf8');
        return [...text.matchAll(/\brequire\((["'])([^"'.][^"']*)\1\)|^import\b.*?\bfrom (["'])([^"'.][^"']*)\3;/gm)]
          .map(([, , required, , from]) => required ?? from!)
          .filter((name) => !isBuiltin(name))
          .map((name) => `${path} imports ${name}`);
      });
    expect(imported).toEqual([]);
  });
});
