import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const rows = readFileSync(join(import.meta.dirname, '..', 'docs', 'faults.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1);

describe('docs/faults.md', () => {
  it('has its rows read here', () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('%s', (row) => {
    const [, file, title] = /\| `([^`]+\.test\.ts)`: (.+) \|$/.exec(row)!;
    const path = join(import.meta.dirname, file!);
    expect(existsSync(path), path).toBe(true);
    // In a test's title, not anywhere in its file.
    const titles = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => /\bit(\.\w+)?\(|\]\)\(|\)\)\(|\bas const\)\(/.test(line));
    expect(
      titles.filter((line) => line.includes(title!)),
      title,
    ).not.toEqual([]);
  });
});
