import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countStyle, findBannedWords, findingLine, findStyleProblems, isChecked } from '../../bin/check-words.js';
import { docsPages, GENERATED_PAGES, linksOf, readPage } from '../support/pages.js';

const root = join(import.meta.dirname, '..', '..');
const MAX_LINES = 200;
const MAX_COLUMNS = 160;

const pages = ['README.md', 'CONTRIBUTING.md', ...docsPages];

/** The anchors of a page as GitHub makes them: headings, numbered if they repeat, and ids. */
function anchorsOf(path: string): ReadonlySet<string> {
  const text = readPage(path).replace(/^```[^]*?^```$/gm, '');
  const anchors = new Set<string>();
  for (const [, heading, id] of text.matchAll(/^#+ (.*)$|<a id="([^"]+)">/gm)) {
    const slug =
      id ??
      heading!
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_\- ]/gu, '')
        .replaceAll(' ', '-');
    let name = slug;
    for (let i = 1; anchors.has(name); i++) name = `${slug}-${i}`;
    anchors.add(name);
  }
  return anchors;
}

/** The file that a link of a page leads to, and the anchor in it. */
function resolved(page: string, link: string): { readonly path: string; readonly anchor: string | undefined } {
  const [file = '', anchor] = link.split('#');
  return { path: file === '' ? page : relative(root, join(root, dirname(page), file)), anchor };
}

describe('every page', () => {
  it.each([...pages, 'CHANGELOG.md', 'data/README.md'])('%s has links to files and anchors that exist', (page) => {
    const broken = linksOf(page).filter((link) => {
      const { path, anchor } = resolved(page, link);
      if (!existsSync(join(root, path))) return true;
      return anchor !== undefined && path.endsWith('.md') && !anchorsOf(path).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(pages)(`%s has at most ${MAX_LINES} lines of at most ${MAX_COLUMNS} characters`, (page) => {
    const lines = readPage(page).trimEnd().split('\n');
    if (!GENERATED_PAGES.includes(page)) expect(lines.length).toBeLessThanOrEqual(MAX_LINES);
    // Markdown cannot continue a row of a table.
    const isRow = (line: string): boolean => GENERATED_PAGES.includes(page) && line.startsWith('| ');
    const isLong = (line: string): boolean => line.length > MAX_COLUMNS && !isRow(line);
    expect(lines.flatMap((line, i) => (isLong(line) ? [`${page}:${i + 1}: ${line.length} characters`] : []))).toEqual(
      [],
    );
  });

  it.each(pages.filter((page) => isChecked(page) && !GENERATED_PAGES.includes(page)))(
    '%s has no banned words',
    (page) => {
      expect(findBannedWords(page, readPage(page)).map(findingLine)).toEqual([]);
    },
  );
});

describe('the style of the docs', () => {
  const counted = ['README.md', ...docsPages].filter((page) => !GENERATED_PAGES.includes(page));

  it('stays within the limits of punctuation and connectives', () => {
    expect(findStyleProblems(new Map(counted.map((page) => [page, readPage(page)])))).toEqual([]);
  });

  it('is counted in prose, without code, tables and headings', () => {
    const page =
      '# A: b; c\n\n| a: b | c; d |\n|---|---|\n\nOne: two; `x: y;` three:\n\n```sh\na: b; c\n```\n\n' +
      'For example, you see that of your file, so it ends. Otherwise, instead of whose, it waits.\n';
    expect(countStyle(page)).toEqual({
      words: 20,
      colons: 1,
      semicolons: 1,
      'that of': 1,
      whose: 1,
      ', so': 1,
      'for example': 1,
      connectives: 2,
      you: 2,
    });
  });

  it('reports a page and the docs that exceed a limit or miss a minimum', () => {
    const limits = {
      docs: { most: { semicolons: 100 }, least: { you: 500 } },
      page: { words: 4, most: { colons: 1000 } },
    };
    const pages = new Map([
      ['a.md', 'One: two three four.\n'],
      ['b.md', 'One; two.\n'],
    ]);
    expect(findStyleProblems(pages, limits)).toEqual([
      "a.md: 2500 'colons' per 10,000 words; the limit is 1000",
      "docs: 1666.7 'semicolons' per 10,000 words; the limit is 100",
      "docs: 0 'you' per 10,000 words; the minimum is 500",
    ]);
  });
});

describe('docs/README.md', () => {
  it('leads to every page, in two clicks at most', () => {
    const clicks = (from: readonly string[]): readonly string[] =>
      from
        .flatMap((page) => linksOf(page).map((link) => resolved(page, link).path))
        .filter((path) => docsPages.includes(path));
    const first = clicks(['docs/README.md']);
    const second = clicks([...new Set(first)]);
    const reachable = new Set(['docs/README.md', ...first, ...second]);
    expect(docsPages.filter((page) => !reachable.has(page))).toEqual([]);
  });

  it('links every how-to page and tutorial itself', () => {
    const linked = linksOf('docs/README.md').map((link) => resolved('docs/README.md', link).path);
    expect(docsPages.filter((page) => /^docs\/(?:how-to|tutorials)\//.test(page) && !linked.includes(page))).toEqual(
      [],
    );
  });
});

describe('a page in the root', () => {
  it.each(['README.md', 'CONTRIBUTING.md'])('%s leads to the documentation', (page) =>
    expect(linksOf(page).map((link) => resolved(page, link).path)).toContain('docs/README.md'),
  );
});
