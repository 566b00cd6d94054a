import { join } from 'node:path';
import { isBuildStale } from '../../bin/staleness.js';

/**
 * Rejects a stale build, since threads and commands would run other code than the tests.
 * @throws Error with the command to run
 */
export function requireBuild(root: string): void {
  if (isBuildStale(root)) throw new Error('dist/ is older than src/; run node bin/setup.js');
}

/** Vitest calls it before each run. */
export default function setup(): void {
  requireBuild(join(import.meta.dirname, '..', '..'));
}
