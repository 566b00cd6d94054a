import { limitProblem, systemCode, UserError, userError } from '../core/errors.js';

/** Messages and fixes, by system error code. */
const SYSTEM_ERRORS: Readonly<Record<string, { readonly message: string; readonly fix: string }>> = {
  EACCES: { message: 'permission denied', fix: 'use another path, or change its permissions' },
  ELOOP: { message: 'too many symbolic links', fix: 'use another path' },
  ENAMETOOLONG: { message: 'file name too long for the file system', fix: 'use a shorter one' },
};

/**
 * Converts an error of the operating system to a UserError, which is no bug of mtl. A limit on open files also counts
 * if it is the cause of another error.
 * @returns undefined for any other error
 */
export function systemError(error: unknown): UserError | undefined {
  if (!(error instanceof Error)) return undefined;
  const where =
    error instanceof UserError
      ? error.problems[0]?.where
      : 'path' in error && typeof error.path === 'string'
        ? error.path
        : undefined;
  const limit = limitProblem(error);
  if (limit !== undefined) return userError('disk', { ...(where !== undefined && { where }), ...limit }, error);
  const code = systemCode(error);
  if (code !== undefined) {
    const { message, fix } = SYSTEM_ERRORS[code] ?? {
      message: 'system error',
      fix: 'use another path, or ask the administrator of this machine',
    };
    return userError('disk', { ...(where !== undefined && { where }), message: `${message} (${code})`, fix }, error);
  }
  // V8's messages for failed allocations; other RangeErrors are bugs.
  if (error instanceof RangeError && /out of memory|could not allocate memory|allocation failed/i.test(error.message)) {
    return userError(
      'disk',
      {
        message: `out of memory or address space (${error.message})`,
        fix: 'raise the limit (ulimit -v unlimited), end other programs, or use smaller tables',
      },
      error,
    );
  }
  if ('code' in error && error.code === 'ERR_WORKER_INIT_FAILED') {
    return userError(
      'disk',
      {
        message: `cannot start another thread (${error.message})`,
        fix: 'raise the limit (ulimit -u), or use --threads 1',
      },
      error,
    );
  }
  return undefined;
}
