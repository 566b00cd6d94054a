import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { docsPages, readPage } from './support/pages.js';

const root = join(import.meta.dirname, '..');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'data/README.md', ...docsPages];

describe('README', () => {
  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(readPage('package.json')) as { scripts: Record<string, string> };
    for (const page of pages) {
      for (const [, name] of readPage(page).matchAll(/npm run ([\w:-]+)/g))
        expect(scripts, page).toHaveProperty([name!]);
    }
  });
});

describe('CONTRIBUTING.md', () => {
  it('lists every module of src', () => {
    const modules = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    for (const name of modules) expect(readPage('CONTRIBUTING.md'), name).toMatch(new RegExp(`(^|\\s)${name}/`));
  });

  it('lists every directory of the repository', () => {
    const paths = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
    const directories = new Set(paths.flatMap((path) => /^([^./][^/]*)\//.exec(path)?.[1] ?? []));
    expect([...directories]).toContain('src');
    const missing = [...directories].filter((name) => !new RegExp(`^${name}/`, 'm').test(readPage('CONTRIBUTING.md')));
    expect(missing).toEqual([]);
  });
});
