import { EXIT_CODES, printable, problemLine, UserError, userError, type Problem } from '../core/errors.js';
import { endLiveLine } from './terminal.js';
import { systemError } from './system-error.js';

/**
 * A complaint of yargs in our words.
 * @param usage how the command is written
 * @param fix what helps where nothing better is known
 */
export function usageProblem(message: string, usage: string, fix: string): Problem {
  const hint = /^Did you mean (.*)\?$/.exec(message);
  if (hint !== null) return { message: `unknown command; did you mean '${hint[1]}'?` };
  if (message.startsWith('Not enough non-option arguments'))
    return { message: `an argument is missing: expected ${usage}`, fix };
  return { message: message.replace(/\s+/g, ' '), fix };
}

/** Options of earlier versions by command and name, and what replaces them. */
const RENAMED_OPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  eval: { by: 'segment-by' },
  predict: { by: 'group-by', rank: 'rank-by' },
  importance: { rank: 'rank-by' },
  diff: { recorded: 'use-recorded' },
  prepare: { as: 'recipe', cap: 'max-values' },
};

/** Returns the error for a command of an earlier version, undefined for any other command line. */
export function renamedCommand(args: readonly string[]): UserError | undefined {
  if (args[0] !== 'runs' || args[1] !== 'gc') return undefined;
  return userError('usage', { where: 'runs gc', message: "is now 'runs prune'", fix: 'write mtl runs prune' });
}

/**
 * Options that there are not, with the keys of the config that may be meant.
 * @param unknown their names, without dashes
 * @param args of the command line, which have their values
 */
export async function optionError(
  unknown: readonly string[],
  args: readonly string[],
  fix: string,
): Promise<UserError> {
  const { findKeys } = await import('../config/find-keys.js');
  // Options are those of a command: where that is unknown, nothing can be said of them.
  const command = unknown.find((name) => name === args[0]);
  return new UserError(
    'usage',
    (command === undefined ? unknown : [command]).map((name): Problem => {
      const at = args.findIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
      const keys = at < 0 ? [] : findKeys(name);
      const given = args[at]?.includes('=') === true ? args[at].slice(args[at].indexOf('=') + 1) : args[at + 1];
      const value = given === undefined || given.startsWith('-') ? '…' : given;
      if (at < 0) return { where: name, message: 'is no command or argument here', fix };
      const current = RENAMED_OPTIONS[args[0] ?? '']?.[name];
      if (current !== undefined)
        return {
          where: `--${name}`,
          message: `is now --${current}`,
          fix: `write --${current}${value === '…' ? '' : ` ${value}`}`,
        };
      return {
        where: `--${name}`,
        message: 'is no option',
        fix:
          keys.length === 0
            ? fix
            : `it is a key of the config: write ${keys.map((key) => `--set ${key}=${value}`).join(' or ')}`,
      };
    }),
  );
}

/**
 * Says on stderr what went wrong: all problems of a user's error, a stack for a bug of ours.
 * @param isJson whether stdout is to have it as one JSON object, too
 * @returns the exit code
 */
export function printError(error: unknown, isJson: boolean): number {
  // yargs turns what an option's own check throws into an error of its own.
  const told =
    error instanceof Error && error.name === 'YError'
      ? userError('usage', { message: error.message })
      : (systemError(error) ?? error);
  endLiveLine();
  if (isJson) process.stdout.write(`${JSON.stringify({ error: asJson(told) })}\n`);
  if (told instanceof UserError) {
    for (const problem of told.problems) process.stderr.write(`error: ${problemLine(problem)}\n`);
    return told.exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `This is a bug in mtl, please report it with the command and the config:\n${printable(stack)}\n`,
  );
  return EXIT_CODES.bug;
}

function asJson(error: unknown): object {
  if (error instanceof UserError) return { kind: error.kind, exitCode: error.exitCode, problems: error.problems };
  return {
    kind: 'bug',
    exitCode: EXIT_CODES.bug,
    problems: [{ message: error instanceof Error ? error.message : String(error) }],
  };
}
