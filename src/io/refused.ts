import { systemCode } from '../core/errors.js';

/**
 * Errors of systems without links: Windows without the privilege (EPERM), FAT and exFAT (EPERM on Linux, ENOTSUP on
 * macOS, EISDIR on Windows, whose "incorrect function" Node reports so), network disks (EINVAL, EOPNOTSUPP). Wine
 * creates no symbolic link and reports success, so its rename fails (ENOENT).
 */
const REFUSED: ReadonlySet<unknown> = new Set([
  'EACCES',
  'EINVAL',
  'EISDIR',
  'ENOENT',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
  'UNKNOWN',
]);

/** Returns whether the system may have refused to create a link. */
export function isLinkRefused(error: unknown): boolean {
  return REFUSED.has(systemCode(error));
}
