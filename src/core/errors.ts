import { closest, distance } from 'fastest-levenshtein';

/** Exit codes of the command: what went wrong decides which one a script sees. */
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
  /** A result, not an error: `mtl promote` left its channel as it was. */
  notPromoted: 7,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

/** The kinds of failure that are told in words. */
export type ErrorKind = 'usage' | 'config' | 'data' | 'checkpoint' | 'disk' | 'diverged' | 'thread' | 'device';

/** One thing that is wrong: where it stands, what it is, and what to do about it. */
export interface Problem {
  /** `file:line:column`, `--set a.b=1`, or another place that the user can go to. */
  readonly where?: string;
  /** The key's path or the column's name. */
  readonly key?: string;
  /** What was expected and what was found. */
  readonly message: string;
  /** What to do. */
  readonly fix?: string;
}

/** An error that is told in words; anything else that is thrown is a bug of ours. */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(
    readonly kind: ErrorKind,
    readonly problems: readonly Problem[],
    options?: ErrorOptions,
  ) {
    super(problems.map(problemLine).join('\n'), options);
  }

  /** The exit code that this error ends the command with. */
  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

/**
 * Creates a `UserError` with a single problem. Where the cause is a limit of the system, the error is of that (disk),
 * whatever it was caught by:
 * nothing is wrong with the file.
 */
export function userError(kind: ErrorKind, problem: Problem, cause?: unknown): UserError {
  const limit = limitProblem(cause);
  const { where } = problem;
  if (limit !== undefined)
    return new UserError('disk', [{ ...(where !== undefined && { where }), ...limit }], { cause });
  return new UserError(kind, [problem], cause === undefined ? undefined : { cause });
}

/** Limits on open files, by the code of the system. */
const LIMITS: Readonly<Record<string, Problem>> = {
  EMFILE: { message: 'too many files are open (EMFILE)', fix: 'raise the limit of this process: ulimit -n 4096' },
  ENFILE: {
    message: 'too many files are open on this machine (ENFILE)',
    fix: 'end other programs, or raise the limit of the machine: sysctl fs.file-max',
  },
};

/**
 * Finds a limit on open files that an error or one of its causes is.
 * @returns undefined for anything else
 */
export function limitProblem(error: unknown): Problem | undefined {
  for (let cause = error; cause instanceof Error; { cause } = cause) {
    const [, ofThread = ''] = /^Worker initialization failure: (\w+)$/.exec(cause.message) ?? [];
    const limit = LIMITS[systemCode(cause) ?? ofThread];
    if (limit !== undefined) return limit;
  }
  return undefined;
}

/** The problem of a process that may open no further file. */
export const TOO_MANY_FILES = LIMITS['EMFILE']!;

/**
 * Throws an error that is a limit on open files on, where any other means that nothing is there.
 * @throws UserError (disk)
 */
export function rethrowLimit(path: string, error: unknown): void {
  const limit = limitProblem(error);
  if (limit !== undefined) throw userError('disk', { where: path, ...limit }, error);
}

/** `where: key: message; fix`, with control characters made visible so that no input can drive the terminal. */
export function problemLine({ where, key, message, fix }: Problem): string {
  const line = [where, key, message].filter((part) => part !== undefined && part !== '').join(': ');
  return printable(joined(line, fix));
}

/** What drives a terminal, or makes a text look like another: controls, marks of direction, and what has no width. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The text with what cannot be seen (but tab and line feed) escaped, and cut at `limit` characters. */
export function printable(text: string, limit = 2000): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** A value as it should appear in a message: JSON, cut short. */
export function quoted(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return printable(JSON.stringify(value), 60);
  } catch (error) {
    return error instanceof RangeError ? 'something nested too deeply' : 'something that contains itself';
  }
}

/** `did you mean 'x'?` where a known name is near enough to the one that was given, else undefined. */
export function didYouMean(given: string, known: readonly string[]): string | undefined {
  if (known.length === 0 || given.length > 100) return undefined;
  const lowered = new Map(known.map((name) => [name.toLowerCase(), name]));
  const nearest = closest(given.toLowerCase(), [...lowered.keys()]);
  const allowed = Math.max(1, Math.ceil(Math.min(given.length, nearest.length) * 0.4));
  return distance(given.toLowerCase(), nearest) <= allowed ? `did you mean '${lowered.get(nearest)}'?` : undefined;
}

/** `message; hint` where there is a hint. */
export function joined(message: string, hint: string | undefined): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}

/**
 * The system's error code (`ENOENT`, `ENOSPC`, …) of a thrown value, where it has one; Node's own codes are bugs of
 * ours.
 */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('errno' in error)) return undefined;
  return typeof error.code === 'string' && typeof error.errno === 'number' ? error.code : undefined;
}
