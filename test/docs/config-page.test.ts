import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'docs', 'reference', 'config.md'), 'utf8');

const run = (script: string, ...args: string[]): string =>
  execFileSync(process.execPath, [join(root, 'bin', script), ...args], { encoding: 'utf8', maxBuffer: 1 << 26 });

/** Joins the rows of a table that continue the row above them. */
function withoutContinuations(table: string): string {
  const lines: string[] = [];
  for (const line of table.split('\n')) {
    const above = lines.at(-1)?.slice(2, -2).split(' | ') ?? [];
    if (!line.startsWith('|  | ')) lines.push(line);
    else {
      const cells = line.slice(2, -2).split(' | ');
      lines[lines.length - 1] = `| ${above.map((cell, i) => `${cell} ${cells[i]!}`.trim()).join(' | ')} |`;
    }
  }
  return lines.join('\n');
}

describe('docs/reference/config.md', () => {
  it('equals the output of npm run docs', () => {
    const file = join(scratchFolder(), 'config.md');
    // Generated from the build, since the registry order differs in a test.
    run('config-docs.js', file);
    expect(page, 'run npm run docs').toBe(readFileSync(file, 'utf8'));
  });

  it('has an anchor for each link within the page', () => {
    const places = new Set([...page.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id));
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, id]) => id);
    expect(links.length).toBeGreaterThan(20);
    expect(links.filter((link) => !places.has(link))).toEqual([]);
  });

  it('has fewer than 1,400 lines', () => expect(page.split('\n').length).toBeLessThan(1400));

  it('has every key, every value of a key and every description', () => {
    const text = withoutContinuations(page);
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
      if (description !== undefined && !text.includes(description.slice(1).replaceAll('|', '\\|')))
        missing.push(description);
      for (const [name, child] of Object.entries(node))
        if (name === 'properties') for (const [inner, own] of Object.entries(child as object)) walk(own, inner);
        else walk(child, key);
    };
    walk(JSON.parse(run('mtl.js', 'config', 'schema')));
    expect([...new Set(missing)]).toEqual([]);
  });
});
