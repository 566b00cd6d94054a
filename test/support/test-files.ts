import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** A run of tests: npm test, npm run test:long or npm run test:nightly. */
export type Run = 'short' | 'long' | 'nightly';

/** Returns whether a file with this text may have a test of a run. */
export function mayHaveTests(run: Run, text: string): boolean {
  const [, tag] = /^\/\*\* @module-tag (long|nightly) \*\/$/m.exec(text) ?? [];
  if (run === 'short' || tag === 'nightly') return run === (tag ?? 'short');
  // Tags of a test are an option of this name.
  return tag === run || /\btags\b/.test(text);
}

/** Returns the test files without a test of a run, which it need not load, relative to the clone. */
export function filesWithout(run: Run): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => !mayHaveTests(run, readFileSync(join(root, path), 'utf8')));
}
