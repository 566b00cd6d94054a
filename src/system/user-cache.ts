import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The folder for what programs keep of a user's: paths that are empty or relative do not count (XDG Base Directory
 * Specification).
 * @returns undefined where there is none, as for a user without a home
 */
export function userCache(): string | undefined {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  if (isAbsolute(given)) return given;
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    // A user whom the system does not know, as in containers.
    return undefined;
  }
}
