import { EXIT_CODES, printable, problemLine, UserError, userError, type Problem } from '../errors.js';
import { systemError } from './system-error.js';

/**
 * A complaint of yargs in our words.
 * @param usage how the command is written
 * @param fix what helps where nothing better is known
 */
export function usageProblem(message: string, usage: string, fix: string): Problem {
  const hint = /^Did you mean (.*)\?$/.exec(message);
  if (hint !== null) return { message: `unknown command; did you mean '${hint[1]}'?` };
  if (message.startsWith('Not enough non-option arguments')) return { message: `an argument is missing: expected ${usage}`, fix };
  return { message: message.replace(/\s+/g, ' '), fix };
}

/**
 * Says on stderr what went wrong: all problems of a user's error, a stack for a bug of ours.
 * @returns the exit code
 */
export function tell(error: unknown): number {
  // yargs turns what an option's own check throws into an error of its own.
  const told = error instanceof Error && error.name === 'YError' ? userError('usage', { message: error.message }) : (systemError(error) ?? error);
  if (told instanceof UserError) {
    for (const problem of told.problems) process.stderr.write(`error: ${problemLine(problem)}\n`);
    return told.exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`This is a bug in mtl, please report it with the command and the config:\n${printable(stack)}\n`);
  return EXIT_CODES.bug;
}
