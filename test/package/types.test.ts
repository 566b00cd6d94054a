/** @module-tag long */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';

it('bin/build-types.js writes types that name no package', { timeout: 300_000 }, () => {
  const file = join(scratchFolder(), 'index.d.ts');
  const root = join(import.meta.dirname, '..', '..');
  execFileSync(process.execPath, ['bin/build-types.js', file], { cwd: root });
  const types = readFileSync(file, 'utf8');
  const modules = [...types.matchAll(/\bfrom '([^']+)'|\bimport\(["']([^"']+)/g)].map(
    ([, from, called]) => from ?? called!,
  );
  expect(modules.filter((name) => !name.startsWith('node:'))).toEqual([]);
  expect(types).toMatch(/^declare function train\(/m);
});
