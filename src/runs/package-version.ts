import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The version in the package's own package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/**
 * The commit of the clone that runs, with -dirty where it was edited since; null for an installed package, or where
 * there is no git.
 */
export async function packageCommit(): Promise<string | null> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  if (!existsSync(new URL('../../.git', import.meta.url))) return null;
  try {
    // An installed package never asks.
    const { execFile } = await import('node:child_process');
    const { stdout } = await promisify(execFile)('git', [
      '-C',
      root,
      'describe',
      '--always',
      '--dirty',
      '--exclude=*',
      '--abbrev=12',
    ]);
    return stdout.trim();
  } catch {
    return null;
  }
}
