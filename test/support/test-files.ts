import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** The part of a file's tests that may be tagged long. */
type Long = 'whole' | 'some' | 'none';

function longPart(text: string): Long {
  if (/^\/\*\* @module-tag long \*\/$/m.test(text)) return 'whole';
  // Tags of a test are an option of this name.
  return /\btags\b/.test(text) ? 'some' : 'none';
}

/** Returns the test files of which this part may be tagged long, relative to the clone. */
export function testFiles(part: Long): string[] {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => longPart(readFileSync(join(root, path), 'utf8')) === part);
}
