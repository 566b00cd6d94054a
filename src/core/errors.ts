import { closest, distance } from 'fastest-levenshtein';

/** Exit codes of the command, per kind of failure. */
export const EXIT_CODES = {
  done: 0,
  bug: 1,
  thread: 1,
  device: 1,
  usage: 2,
  config: 2,
  data: 3,
  checkpoint: 4,
  disk: 5,
  diverged: 6,
  /** A result, not an error: `mtl promote` left its channel unchanged. */
  notPromoted: 7,
  SIGINT: 130,
  /** Signal of Ctrl-Break on Windows. */
  SIGBREAK: 149,
  SIGTERM: 143,
} as const;

/** Kinds of failure that are reported to the user. */
export type ErrorKind = 'usage' | 'config' | 'data' | 'checkpoint' | 'disk' | 'diverged' | 'thread' | 'device';

/** One problem with its location and its fix. */
export interface Problem {
  /** `file:line:column`, `--set a.b=1`, or another location. */
  readonly where?: string;
  /** Path of a config key, or a column. */
  readonly key?: string;
  /** What was expected and what was found. */
  readonly message: string;
  /** The fix: what to type. */
  readonly fix?: string;
}

/** An error that is reported to the user; any other error is a bug in mtl. */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(
    readonly kind: ErrorKind,
    readonly problems: readonly Problem[],
    options?: ErrorOptions,
  ) {
    super(problems.map(problemLine).join('\n'), options);
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

/**
 * Creates a `UserError` with a single problem. If the cause is a limit of the system, the error is of kind disk: the
 * file itself is fine.
 */
export function userError(kind: ErrorKind, problem: Problem, cause?: unknown): UserError {
  const limit = limitProblem(cause);
  const { where } = problem;
  if (limit !== undefined)
    return new UserError('disk', [{ ...(where !== undefined && { where }), ...limit }], { cause });
  return new UserError(kind, [problem], cause === undefined ? undefined : { cause });
}

/** Limits on open files by system error code. */
const LIMITS: Readonly<Record<string, Problem>> = {
  EMFILE: { message: 'too many files are open (EMFILE)', fix: 'raise the limit of this process: ulimit -n 4096' },
  ENFILE: {
    message: 'too many files are open on this machine (ENFILE)',
    fix: 'stop other programs, or raise the limit of the machine with: sysctl fs.file-max',
  },
};

/** Returns the problem if an error or one of its causes is a limit on open files, else undefined. */
export function limitProblem(error: unknown): Problem | undefined {
  for (let cause = error; cause instanceof Error; { cause } = cause) {
    const [, ofThread = ''] = /^Worker initialization failure: (\w+)$/.exec(cause.message) ?? [];
    const limit = LIMITS[systemCode(cause) ?? ofThread];
    if (limit !== undefined) return limit;
  }
  return undefined;
}

export const TOO_MANY_FILES = LIMITS['EMFILE']!;

/**
 * Rethrows a limit on open files, where any other error means that the file is absent.
 * @throws UserError (disk)
 */
export function rethrowLimit(path: string, error: unknown): void {
  const limit = limitProblem(error);
  if (limit !== undefined) throw userError('disk', { where: path, ...limit }, error);
}

/** Formats `where: key: message; fix`, with control characters escaped so that no input can drive the terminal. */
export function problemLine({ where, key, message, fix }: Problem): string {
  const line = [where, key, message].filter((part) => part !== undefined && part !== '').join(': ');
  return printable(joined(line, fix));
}

/** Characters that drive a terminal or disguise text: controls, direction marks and zero-width characters. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Escapes invisible characters except tab and line feed, and truncates the text to `limit` characters. */
export function printable(text: string, limit = 2000): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** Formats a value for a message: truncated JSON. */
export function quoted(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return printable(JSON.stringify(value), 60);
  } catch (error) {
    return error instanceof RangeError ? 'a value that is nested too deeply' : 'a circular value';
  }
}

/** Returns `did you mean 'x'?` if a known name is similar to the given one, else undefined. */
export function didYouMean(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0 || given.length > 100) return undefined;
  const lowered = new Map(known.map((name) => [name.toLowerCase(), name]));
  const nearest = closest(given.toLowerCase(), [...lowered.keys()]);
  const allowed = Math.max(1, Math.ceil(Math.min(given.length, nearest.length) * 0.4));
  return distance(given.toLowerCase(), nearest) <= allowed ? `did you mean '${lowered.get(nearest)}'?` : undefined;
}

/** Joins message and hint with `; `, if there is a hint. */
export function joined(message: string, hint: string | undefined): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}

/**
 * Returns the system error code (`ENOENT`, `ENOSPC`, …) of a thrown value, if any. Node's own codes do not count: those
 * errors are bugs.
 */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('errno' in error)) return undefined;
  return typeof error.code === 'string' && typeof error.errno === 'number' ? error.code : undefined;
}

/** Returns the stack of an unexpected thrown value, for a log. */
export function formatStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
