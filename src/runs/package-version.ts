import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Reads the version from the package's package.json. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/**
 * Returns the commit of this clone, with -dirty if files were edited; null for an installed package or without git.
 * Never rejects.
 */
export async function packageCommit(): Promise<string | null> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  if (!existsSync(new URL('../../.git', import.meta.url))) return null;
  try {
    // Imported here, because installed packages never need it.
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
