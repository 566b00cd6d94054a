import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Returns the user's cache directory; ignores empty or relative paths (XDG Base Directory Specification).
 * @returns undefined if there is none, for example for a user without a home
 */
export function userCache(): string | undefined {
  const given = process.env['XDG_CACHE_HOME'] ?? '';
  if (isAbsolute(given)) return given;
  try {
    const home = homedir();
    return isAbsolute(home) ? join(home, '.cache') : undefined;
  } catch {
    // The system does not know the user, for example in a container.
    return undefined;
  }
}
