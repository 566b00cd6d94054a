import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** Pages below docs/, by path from the root. */
export const docsPages: readonly string[] = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md'))
  .map((path) => `docs/${path.replaceAll('\\', '/')}`)
  .sort();

/** Pages that `npm run docs` writes. */
export const GENERATED_PAGES: readonly string[] = ['config', 'cli', 'library'].map(
  (name) => `docs/reference/${name}.md`,
);

/** Reads a page by its path from the root. */
export const readPage = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The links of a page, outside code, whose target is a file or an anchor. */
export function linksOf(path: string): readonly string[] {
  const text = readPage(path).replace(/^```[^]*?^```$/gm, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|(?:href|src)="([^"]+)"/g)].map(
    ([, link, html]) => (link ?? html)!,
  );
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}
