import { sep } from 'node:path';

/**
 * Writes a path with `/` as its separator, as in globs and in files that other systems read. Every system opens such
 * a path; on POSIX, a backslash is part of a name and stays.
 */
export function withSlashes(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}
