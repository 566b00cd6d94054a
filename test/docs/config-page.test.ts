import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'reference', 'config.md'), 'utf8');

const run = (script: string, ...args: string[]): string =>
  execFileSync(process.execPath, [join(root, 'bin', script), ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });

/** The anchors of the headings and ids of the page. */
const anchors = [...page.matchAll(/^#+ (.*)$|<a id="([^"]+)">/gm)].map(
  ([, heading, id]) => id ?? heading!.toLowerCase().replace(/[`.]/g, '').replaceAll(' ', '-'),
);

describe('docs/reference/config.md', () => {
  it('equals the output of npm run docs', () => {
    const file = join(scratchFolder(), 'config.md');
    // Generated from the build, since the registry order differs in a test.
    run('config-docs.js', file);
    expect(page, 'run npm run docs').toBe(readFileSync(file, 'utf8'));
  });

  it('has an anchor for each link within the page', () => {
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, id]) => id);
    expect(links.length).toBeGreaterThan(20);
    expect(links.filter((link) => !anchors.includes(link!))).toEqual([]);
  });

  it('has fewer than 1,000 lines', () => expect(page.split('\n').length).toBeLessThan(1000));

  it('has no two headings alike', () => expect(new Set(anchors).size).toBe(anchors.length));

  it('has no row that continues the row above it', () => expect(page).not.toMatch(/^\|\s*\|/m));

  it('documents an option of fields once, with their group', () => {
    const [, bag] = /\*\*`type: bag`\*\*.*\n([^]*?)\| \*\*`type:/.exec(page)!;
    expect(bag!.match(/`pooling/g)).toHaveLength(1);
    expect(bag).toMatch(/`fields` .*also per field: all options of the group/);
  });

  it('has every key, every value of a key and every description', () => {
    const text = page;
    const missing: string[] = [];
    const walk = (node: unknown, key?: string): void => {
      if (Array.isArray(node)) for (const child of node) walk(child, key);
      if (typeof node !== 'object' || node === null || Array.isArray(node)) return;
      const {
        properties = {},
        const: value,
        enum: values = [],
        description,
      } = node as { properties?: object; const?: string; enum?: unknown[]; description?: string };
      for (const name of Object.keys(properties))
        if (!new RegExp(`[\`.]${name.replace('$', '\\$')}[\`.:]`).test(text)) missing.push(name);
      for (const one of [...values, ...(value === undefined ? [] : [value])])
        if (!text.includes(`${String(one)}\``)) missing.push(`${key}: ${String(one)}`);
      // A model with the layers of a bottom links to it.
      const shown = description
        ?.slice(1)
        .replace(/, and a tower per task$/, '')
        .replaceAll('|', '\\|');
      if (description !== undefined && !text.includes(shown!)) missing.push(description);
      for (const [name, child] of Object.entries(node))
        if (name === 'properties') for (const [inner, own] of Object.entries(child as object)) walk(own, inner);
        else walk(child, key);
    };
    walk(JSON.parse(run('mtl.js', 'config', 'schema')));
    expect([...new Set(missing)]).toEqual([]);
  });
});
