import { join } from 'node:path';
import { isBuildStale } from '../../bin/staleness.js';

/**
 * Refuses a test run on a stale build: threads and commands would run other code than the tests.
 * @throws Error that says what to run
 */
export function requireBuild(root: string): void {
  if (isBuildStale(root)) throw new Error('dist/ is older than src/; run node bin/setup.js');
}

/** Vitest calls it before each run. */
export default function setup(): void {
  requireBuild(join(import.meta.dirname, '..', '..'));
}
