import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { quoted, userError } from '../../core/errors.js';
import { MTL } from '../../system/command-name.js';

/**
 * Runs a program and returns its standard output.
 * @throws UserError (usage) if it is not installed or fails, with its standard error
 */
export async function runProgram(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, [...args], { encoding: 'utf8' });
    return stdout;
  } catch (error) {
    const {
      code,
      signal,
      stderr = '',
    } = error as { code?: string | number | null; signal?: string | null; stderr?: string };
    if (code === 'ENOENT')
      throw userError(
        'usage',
        {
          where: program,
          message: 'the program is not installed on this machine',
          fix: `run ${MTL} sweep on a machine that has it or choose another launcher`,
        },
        error,
      );
    const errorText = stderr.trim();
    throw userError(
      'usage',
      {
        where: [program, ...args].join(' '),
        message:
          `failed (${String(code ?? signal)})` + (errorText === '' ? ' without an error message' : `: ${errorText}`),
      },
      error,
    );
  }
}

/**
 * Runs a program and parses its output.
 * @param expected description of the output, for the error
 * @param parse returns undefined or throws for invalid output
 * @throws UserError (usage) as `runProgram`; with the command and its output if the output is invalid
 */
export async function readProgram<Found>(
  program: string,
  args: readonly string[],
  expected: string,
  parse: (printed: string) => Found | undefined,
): Promise<Found> {
  const printed = await runProgram(program, args);
  return readAnswer([program, ...args].join(' '), printed, expected, parse);
}

/**
 * Parses an answer.
 * @param where the command or URL that answered
 * @throws UserError (usage) with the answer, if `read` returns undefined or throws
 */
export function readAnswer<Found>(
  where: string,
  answer: string,
  expected: string,
  parse: (answer: string) => Found | undefined,
): Found {
  let cause: unknown;
  try {
    const parsed = parse(answer);
    if (parsed !== undefined) return parsed;
  } catch (error) {
    cause = error;
  }
  const text = answer.trim();
  const found = text === '' ? 'nothing' : quoted(text);
  throw userError(
    'usage',
    {
      where,
      message: `expected ${expected}, found ${found}`,
      fix: 'check that command or URL, then run the same mtl sweep again to resume',
    },
    cause,
  );
}
