import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const filesIn = (directory: string, end: string): string[] =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(end))
    .map((path) => `${directory}/${path.replaceAll('\\', '/')}`);

/** A run of tests: npm test, npm run test:long or npm run test:nightly. */
export type Run = 'short' | 'long' | 'nightly';

/** Tags of a test are an option of this name. */
const TAGS = /\btags\b/;
/** Ends of the imports of helpers that give tags to tests. */
const helpers = filesIn('test/support', '.ts')
  .filter((path) => TAGS.test(textOf(path)))
  .map((path) => path.replace(/^test\/(.*)\.ts$/, `/$1.js'`));

/** Returns whether a file with this text may have a test of a run. */
export function mayHaveTests(run: Run, text: string): boolean {
  const [, tag] = /^\/\*\* @module-tag (long|nightly) \*\/$/m.exec(text) ?? [];
  if (run === 'short' || tag === 'nightly') return run === (tag ?? 'short');
  return tag === run || TAGS.test(text) || helpers.some((path) => text.includes(path));
}

/** Returns the test files without a test of a run, which it need not load, relative to the clone. */
export function filesWithout(run: Run): string[] {
  return filesIn('test', '.test.ts').filter((path) => !mayHaveTests(run, textOf(path)));
}
