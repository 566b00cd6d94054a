import { limitProblem, systemCode, UserError, userError } from '../core/errors.js';

/** What the system says, for people, and what to do about it. */
const REFUSALS: Readonly<Record<string, { readonly message: string; readonly fix: string }>> = {
  EACCES: { message: 'no permission', fix: 'choose another path, or change its permissions' },
  ELOOP: { message: 'is a link that leads back to itself', fix: 'choose another path' },
  ENAMETOOLONG: { message: 'is a name longer than the file system takes', fix: 'choose a shorter one' },
};

/**
 * What the machine refused, where that is what was thrown: no bug of ours, whatever it was asked for. A limit on open
 * files counts also where it is
 * the cause of another error.
 * @returns undefined for anything else
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
    const { message, fix } = REFUSALS[code] ?? {
      message: 'the system refuses it',
      fix: 'choose another path, or ask who keeps this machine',
    };
    return userError('disk', { ...(where !== undefined && { where }), message: `${message} (${code})`, fix }, error);
  }
  // V8's words where an allocation fails; other RangeErrors are bugs.
  if (error instanceof RangeError && /out of memory|could not allocate memory|allocation failed/i.test(error.message)) {
    return userError(
      'disk',
      {
        message: `there is too little memory or address space (${error.message})`,
        fix: 'allow more (ulimit -v unlimited), end other programs, or take smaller tables',
      },
      error,
    );
  }
  if ('code' in error && error.code === 'ERR_WORKER_INIT_FAILED') {
    return userError(
      'disk',
      {
        message: `no further thread can be started (${error.message})`,
        fix: 'allow more (ulimit -u), or take fewer: --threads 1',
      },
      error,
    );
  }
  return undefined;
}
