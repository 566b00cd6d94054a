import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';

const root = join(import.meta.dirname, '..', '..');
const page = readFileSync(join(root, 'THIRD_PARTY_NOTICES.md'), 'utf8');

describe('THIRD_PARTY_NOTICES.md', () => {
  it('equals the output of npm run docs', () => {
    const file = join(scratchFolder(), 'notices.md');
    execFileSync(process.execPath, [join(root, 'bin', 'notices.js'), file]);
    expect(page, 'run npm run docs').toBe(readFileSync(file, 'utf8'));
  });

  it('has every package that bin/bundle.js joins, with a license text', () => {
    const [, list] = /const JOINED = \[([^\]]*)\]/.exec(readFileSync(join(root, 'bin', 'bundle.js'), 'utf8'))!;
    const names = [...list!.matchAll(/'([^'/]+)(?:\/[^']*)?'/g)].map(([, name]) => name!);
    expect(names).toContain('zod');
    for (const name of names) expect(page).toMatch(new RegExp(`^## ${name} [\\d.]+\n\n\`\`\`text\n`, 'm'));
  });
});
