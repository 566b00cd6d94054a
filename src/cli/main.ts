import { setImmediate } from 'node:timers/promises';
import yargs, { type Argv } from 'yargs';
import { KERNELS } from '../engines/kernel-choice.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { packageVersion } from '../runs/package-version.js';
import { commands } from './commands/all.js';
import type { Finish } from './commands/command.js';
import { optionError, printError, renamedCommand, usageProblem } from './error-output.js';

/** Options that may be given many times, or with many values. */
const LISTS = ['set', 'keep', 'data', 'valid', 'test', 'label', 'paths', 'filters', 'runs', 'by'];

/**
 * Runs the command line.
 * @param args what follows the command's name
 * @returns the exit code
 */
export async function main(args: readonly string[]): Promise<number> {
  // A reader that went away, or a full disk under what is printed, must not end a run of hours.
  let outputError: NodeJS.ErrnoException | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') outputError = error;
    });
  }
  let exitCode: number = EXIT_CODES.done;
  /** What is asked for and is not there, and where help is. */
  let unknown: { readonly names: readonly string[]; readonly fix: string } | undefined;
  const onUnknown: OnUnknown = (names, fix) => void (unknown = { names, fix });
  const finish: Finish = async (run) => {
    exitCode = await run;
  };
  try {
    const renamed = renamedCommand(args);
    if (renamed !== undefined) throw renamed;
    // With a callback, yargs hands over the text of --help and --version, with the commands that were given.
    let [words, text]: [readonly unknown[], string] = [[], ''];
    await commandLine(withoutKeptHelp(yargs()), finish, onUnknown).parseAsync(
      args,
      {},
      (_error, argv, output) => void ([words, text] = [argv._, output]),
    );
    // Without its --help, the complaint about an unknown command.
    if (isOfUnknown(words, text))
      await commandLine(withoutKeptHelp(yargs()), finish, onUnknown).parseAsync(
        args.filter((arg) => arg !== '--help' && arg !== '-h'),
      );
    else if (text !== '') process.stdout.write(`${text}\n`);
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
  }
}

/** Whether a help text is that of the command above, since there is none of the name that was given. */
function isOfUnknown(words: readonly unknown[], text: string): boolean {
  const [, above] = /^mtl((?: \w+)*) <command>\n/.exec(text) ?? [];
  return above !== undefined && words.length > above.split(' ').length - 1;
}

/** Told of options and words that no command knows. */
type OnUnknown = (names: readonly string[], fix: string) => void;

/**
 * yargs puts together the help of every command that runs, though nothing here asks for it later: a tenth of a start.
 */
function withoutKeptHelp(cli: Argv): Argv {
  // What its types leave out.
  const { getInternalMethods } = cli as Argv & {
    getInternalMethods?(): { getUsageInstance(): { cacheHelpMessage(): void } };
  };
  const usage = getInternalMethods?.call(cli).getUsageInstance();
  if (usage !== undefined) usage.cacheHelpMessage = () => undefined;
  return cli;
}

function commandLine(cli: Argv, finish: Finish, onUnknown: OnUnknown): Argv {
  const described = cli
    .scriptName('mtl')
    .usage(
      '$0 <command>\n\nTrain multi-task recommenders (ESMM, MMOE, …) on click and conversion logs, from one YAML file.',
    );
  return commands
    .reduce((all, command) => command.register(all, finish), described)
    .demandCommand(1, 'expected a command')
    .middleware(({ kernels }) => {
      // Threads and processes that are started find it there too.
      if (typeof kernels === 'string') process.env[KERNELS] = kernels;
    })
    .strict()
    .check((args) => {
      // yargs makes a list of what is given twice.
      const repeated = Object.keys(args).find(
        (name) => name !== '_' && !LISTS.includes(name) && Array.isArray(args[name]),
      );
      if (repeated !== undefined)
        throw userError('usage', { where: `--${repeated}`, message: 'is given more than once' });
      // The commands' own names are all that may be left over.
      const [word, next] = args._.map(String);
      const isOfTwo =
        next !== undefined && commands.some((command) => command.name === word && command.commands.includes(next));
      const extra = args._.slice(isOfTwo ? 2 : 1);
      if (extra.length > 0)
        throw userError('usage', {
          where: String(extra[0]),
          message: 'is one argument too many',
          ...('data' in args && { fix: 'a glob stands in quotes, as in --data "logs/*.csv"' }),
        });
      return true;
    }, true)
    .recommendCommands()
    .parserConfiguration({ 'parse-numbers': false, 'parse-positional-numbers': false })
    .version(packageVersion())
    .alias('h', 'help')
    .exitProcess(false)
    .updateStrings({
      'Invalid values:': 'invalid value:',
      'Argument: %s, Given: %s, Choices: %s': '%s is %s; use one of %s',
      'Arguments %s and %s are mutually exclusive': '--%s and --%s are mutually exclusive: leave one of them out',
      'Not enough arguments following: %s': '--%s: expected a value',
      // yargs takes a count's two forms, whatever its types say.
      'Missing required argument: %s': { one: '--%s is missing', other: '--%s are missing' } as unknown as string,
    })
    .fail((message, error: Error | undefined, help) => {
      // yargs gives either its own complaint or an error that a handler threw.
      if (error) throw error;
      // What it hands over prints help, whatever its types say: the first line is how the command is written.
      const [usage = ''] = (help as unknown as { help(): string }).help().split('\n');
      const [words] = /^\w+(?: \w+)*/.exec(usage) ?? ['mtl'];
      const fix = `see ${words} --help`;
      const [, names] = /^Unknown (?:argument|command)s?: (.*)$/.exec(message) ?? [];
      if (names !== undefined) onUnknown(names.split(', '), fix);
      throw userError('usage', usageProblem(message, usage, fix));
    });
}
