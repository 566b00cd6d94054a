import { setImmediate } from 'node:timers/promises';
import yargs, { type Argv } from 'yargs';
import { KERNELS } from '../engines/kernel-choice.js';
import { listenToKernels } from '../engines/kernel-report.js';
import { EXIT_CODES, printable, userError } from '../core/errors.js';
import { findPassword } from '../core/url-password.js';
import { closeStreams } from '../data/readers/data-stream.js';
import { packageVersion } from '../runs/package-version.js';
import { commands } from './commands/all.js';
import type { Finish } from './commands/command.js';
import { optionError, printError, usageProblem } from './error-output.js';
import { formatHelp } from './help-text.js';
import { MTL } from '../system/command-name.js';

/** Options that accept several values. */
const LISTS = [
  'set',
  'param',
  'keep',
  'data',
  'valid',
  'test',
  'label',
  'paths',
  'filters',
  'runs',
  'segment-by',
  'segmentBy',
];

/**
 * Runs the command line.
 * @param args arguments after the command's name
 * @returns the exit code
 */
export async function main(args: readonly string[]): Promise<number> {
  // A closed pipe or a full disk under the output must not end a run of hours.
  let outputError: NodeJS.ErrnoException | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') outputError = error;
    });
  }
  let exitCode: number = EXIT_CODES.done;
  /** Unknown options or words, and the fix to print. */
  let unknown: { readonly names: readonly string[]; readonly fix: string } | undefined;
  const onUnknown: OnUnknown = (names, fix) => void (unknown = { names, fix });
  const finish: Finish = async (run) => {
    exitCode = await run;
  };
  try {
    rejectPasswords(args);
    // With a callback, yargs passes the text of --help and --version with the parsed commands.
    let [words, text]: [readonly unknown[], string] = [[], ''];
    await commandLine(withoutCachedHelp(yargs()), finish, onUnknown).parseAsync(
      args,
      {},
      (_error, argv, output) => void ([words, text] = [argv._, output]),
    );
    // An unknown command: parse again without --help, which throws its error.
    if (isHelpOfParent(words, text))
      await commandLine(withoutCachedHelp(yargs()), finish, onUnknown).parseAsync(
        args.filter((arg) => arg !== '--help' && arg !== '-h'),
      );
    else if (text !== '') process.stdout.write(`${formatHelp(text)}\n`);
    await setImmediate();
    if (outputError !== undefined)
      throw userError(
        'disk',
        { where: 'standard output', message: `cannot be written (${outputError.code})` },
        outputError,
      );
    return exitCode;
  } catch (error) {
    const isJson = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined).includes('--json');
    return printError(unknown === undefined ? error : await optionError(unknown.names, args, unknown.fix), isJson);
  } finally {
    // An open stream would keep the process alive.
    closeStreams(new Error('the command ended'));
  }
}

/**
 * Rejects URLs with a password before a message or a file contains them: a run records the command.
 * @throws UserError (usage)
 */
function rejectPasswords(args: readonly string[]): void {
  for (const [i, arg] of args.entries()) {
    const { problem } = findPassword(arg) ?? {};
    if (problem === undefined) continue;
    const option = args.slice(0, i + 1).findLast((each) => each.startsWith('-'));
    const key = /^(?!-)[^=:/]*(?==)/.exec(arg)?.[0];
    throw userError('usage', {
      where: [option?.replace(/=.*/s, '') ?? `argument ${i + 1}`, key].filter(Boolean).join(' '),
      ...problem,
    });
  }
}

/** Whether a help text is the help text of the parent command, because the given subcommand is unknown. */
function isHelpOfParent(words: readonly unknown[], text: string): boolean {
  const [, parent] = /^(?:npx )?mtl((?: \w+)*) <command>\n/.exec(text) ?? [];
  return parent !== undefined && words.length > parent.split(' ').length - 1;
}

/** Receives options and words that no command declares. */
type OnUnknown = (names: readonly string[], fix: string) => void;

/**
 * Stops yargs from building the help of every command that runs, which takes a tenth of the start and is never used.
 */
function withoutCachedHelp(cli: Argv): Argv {
  // Missing from yargs's types.
  const { getInternalMethods } = cli as Argv & {
    getInternalMethods?(): { getUsageInstance(): { cacheHelpMessage(): void } };
  };
  const usage = getInternalMethods?.call(cli).getUsageInstance();
  if (usage !== undefined) usage.cacheHelpMessage = () => undefined;
  return cli;
}

function commandLine(cli: Argv, finish: Finish, onUnknown: OnUnknown): Argv {
  const described = cli
    .scriptName(MTL)
    .usage(
      '$0 <command>\n\nTrain multi-task recommenders (ESMM, MMOE, …) on click and conversion logs, from one YAML file.',
    )
    .example('$0 init --data train.csv', 'write a config for a file')
    .example('$0 train config.yaml', 'train into a new run directory')
    .example('$0 eval runs/latest', 'compute the metrics of the newest run')
    .example('$0 serve runs/latest', 'serve predictions over HTTP')
    .epilogue(`Run ${MTL} COMMAND --help for the arguments, options and examples of a command.`);
  return commands
    .reduce((all, command) => command.register(all, finish), described)
    .demandCommand(1, 'expected a command')
    .middleware(({ kernels, json, quiet, logLevel = 'info' }) => {
      // Child threads and processes inherit it.
      if (typeof kernels === 'string') process.env[KERNELS] = kernels;
      const isSilent = json === true || quiet === true || logLevel !== 'info';
      listenToKernels(isSilent ? undefined : (text) => void process.stderr.write(`mtl: ${printable(text)}\n`));
    })
    .strict()
    .check((args) => {
      checkArguments(args);
      return true;
    }, true)
    .recommendCommands()
    .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false })
    .version(packageVersion())
    .alias('h', 'help')
    .exitProcess(false)
    .updateStrings({
      'Arguments %s and %s are mutually exclusive': '--%s and --%s are mutually exclusive; remove one of them',
      'Not enough arguments following: %s': '--%s: expected a value',
      // yargs accepts singular and plural forms, which its types omit.
      'Missing required argument: %s': {
        one: 'missing required option --%s',
        other: 'missing required options --%s',
      } as unknown as string,
    })
    .fail((message, error: Error | undefined, help) => {
      // yargs passes either its own message or an error that a handler threw.
      if (error) throw error;
      // `help` prints help, whatever its types say; the first line is the usage of the command.
      const [usage = ''] = (help as unknown as { help(): string }).help().split('\n');
      const [words] = /^\w+(?: \w+)*/.exec(usage) ?? [MTL];
      const fix = `see ${words} --help`;
      const [, names] = /^Unknown (?:argument|command)s?: (.*)$/.exec(message) ?? [];
      if (names !== undefined) onUnknown(names.split(', '), fix);
      throw userError('usage', usageProblem(message, usage, fix));
    });
}

/** @throws UserError (usage) for an option that is given twice, and for words after the command's own names */
function checkArguments(args: { readonly [name: string]: unknown; readonly _: readonly (string | number)[] }): void {
  // yargs collects repeated options in a list.
  const repeated = Object.keys(args).find((name) => name !== '_' && !LISTS.includes(name) && Array.isArray(args[name]));
  if (repeated !== undefined)
    throw userError('usage', { where: `--${repeated}`, message: 'given more than once', fix: 'pass it once' });
  const [word, next] = args._.map(String);
  const isSubcommand =
    next !== undefined && commands.some((command) => command.name === word && command.commands.includes(next));
  const [extra] = args._.slice(isSubcommand ? 2 : 1);
  if (extra !== undefined)
    throw userError('usage', {
      where: String(extra),
      message: 'unexpected argument',
      ...('data' in args && { fix: 'quote globs, as in --data "logs/*.csv"' }),
    });
}
