import {
  didYouMean,
  EXIT_CODES,
  joined,
  printable,
  problemLine,
  UserError,
  userError,
  formatStack,
  type Problem,
} from '../core/errors.js';
import { endLiveLine } from './terminal.js';
import { systemError } from './system-error.js';

/**
 * Rewords a yargs error.
 * @param usage how the command is written
 * @param fix the fallback fix
 */
export function usageProblem(message: string, usage: string, fix: string): Problem {
  const [, name, given, list] = /Argument: ([\w-]+), Given: (.*), Choices: (.*)$/m.exec(message) ?? [];
  if (name !== undefined) {
    const choices = list!.replaceAll('"', '').split(', ');
    return {
      where: usage.includes(`<${name}>`) ? `<${name}>` : `--${name}`,
      message: joined(
        `expected ${choices.join(', ')}, found ${given}`,
        didYouMean(given!.replaceAll('"', ''), choices),
      ),
    };
  }
  const hint = /^Did you mean (.*)\?$/.exec(message);
  if (hint !== null) return { message: `unknown command; did you mean '${hint[1]}'?` };
  if (message.startsWith('Not enough non-option arguments'))
    return { message: `missing argument; expected ${usage}`, fix };
  return { message: message.replace(/\s+/g, ' '), fix };
}

/**
 * Builds the error for unknown options, with the config keys that may be meant.
 * @param unknown option names without dashes
 * @param args the command line, which has their values
 */
export async function optionError(
  unknown: readonly string[],
  args: readonly string[],
  fix: string,
): Promise<UserError> {
  const { findKeys } = await import('../config/find-keys.js');
  // The options depend on the command: if it is unknown, they cannot be checked.
  const command = unknown.find((name) => name === args[0]);
  return new UserError(
    'usage',
    (command === undefined ? unknown : [command]).map((name): Problem => {
      const index = args.findIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
      const keys = index < 0 ? [] : findKeys(name);
      const given =
        args[index]?.includes('=') === true ? args[index].slice(args[index].indexOf('=') + 1) : args[index + 1];
      const value = given === undefined || given.startsWith('-') ? '…' : given;
      if (index < 0) return { where: name, message: 'unknown command or argument', fix };
      return {
        where: `--${name}`,
        message: 'unknown option',
        fix:
          keys.length === 0
            ? fix
            : `for the config key, use ${keys.map((key) => `--set ${key}=${value}`).join(' or ')}`,
      };
    }),
  );
}

/**
 * Prints an error on stderr: all problems of a UserError, or the stack of a bug.
 * @param isJson whether to also print it on stdout as one JSON object
 * @returns the exit code
 */
export function printError(error: unknown, isJson: boolean): number {
  // yargs wraps an error thrown by an option's coerce function in a YError.
  const reported =
    error instanceof Error && error.name === 'YError'
      ? userError('usage', { message: error.message })
      : (systemError(error) ?? error);
  endLiveLine();
  if (isJson) process.stdout.write(`${JSON.stringify({ error: toJson(reported) })}\n`);
  if (reported instanceof UserError) {
    for (const problem of reported.problems) process.stderr.write(`error: ${problemLine(problem)}\n`);
    return reported.exitCode;
  }
  process.stderr.write(
    `This is a bug in mtl; please report it with the command and the config:\n${printable(formatStack(error))}\n`,
  );
  return EXIT_CODES.bug;
}

function toJson(error: unknown): object {
  if (error instanceof UserError) return { kind: error.kind, exitCode: error.exitCode, problems: error.problems };
  return {
    kind: 'bug',
    exitCode: EXIT_CODES.bug,
    problems: [{ message: error instanceof Error ? error.message : String(error) }],
  };
}
