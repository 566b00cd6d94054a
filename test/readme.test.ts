import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'data/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('README', () => {
  it('names scripts that there are', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    for (const page of pages) {
      for (const [, name] of textOf(page).matchAll(/npm run ([\w:-]+)/g)) expect(scripts, page).toHaveProperty([name!]);
    }
  });
});

describe('CONTRIBUTING.md', () => {
  it('shows every room of the house', () => {
    const rooms = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    for (const room of rooms) expect(textOf('CONTRIBUTING.md'), room).toMatch(new RegExp(`(^|\\s)${room}/`));
  });
});

describe('every page', () => {
  it.each(pages)('%s leads to pages, and to places in them, that are there', (page) => {
    const places = (path: string): string[] =>
      [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$|<a id="([^"]+)">/gm)].map(
        ([, heading, id]) =>
          id ??
          heading!
            .toLowerCase()
            .replace(/[^\w\- ]/g, '')
            .replaceAll(' ', '-'),
      );
    for (const [, target] of textOf(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      const [path, place] = target!.split('#');
      const file = path === '' ? join(root, page) : join(root, dirname(page), path!);
      expect(existsSync(file), `${page} leads to ${relative(root, file)}`).toBe(true);
      if (place !== undefined) expect(places(file), `${page} leads to ${target}`).toContain(place);
    }
  });
});
