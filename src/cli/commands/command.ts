import type { ArgumentsCamelCase, Argv } from 'yargs';

/** Waits for a command and keeps its exit code. */
export type Finish = (run: Promise<number>) => Promise<void>;

/** A command, or a command of commands. */
export interface Command {
  /** The word by which it is called. */
  readonly name: string;
  /** Words that may follow it, each a command of its own. */
  readonly commands: readonly string[];
  register(cli: Argv, finish: Finish): Argv;
}

/** Groups of options in the order of help; the first one takes all that name none. */
const GROUPS = ['Positionals:', 'Options:', 'Compute:', 'Output:'];

/** What a command is declared by. */
interface CommandParts<Options> {
  /** Its word and its positional arguments, as in `eval <path>`. */
  readonly usage: string;
  readonly summary: string;
  /** Its options and examples. */
  options(cli: Argv): Argv<Options>;
  /** Loads what does the work, so that help costs nothing, and gives the exit code. */
  run(args: ArgumentsCamelCase<Options>): Promise<number>;
}

/**
 * Declares a command; its options decide the types of its arguments. `commands` may follow its word in the place of
 * arguments.
 */
export function defineCommand<Options>(
  { usage, summary, options, run }: CommandParts<Options>,
  commands: readonly Command[] = [],
): Command {
  return {
    name: nameOf(usage),
    commands: commands.map(({ name }) => name),
    register: (cli, finish) =>
      cli.command(
        usage,
        summary,
        (y) => options(withAll(grouped(commands.length === 0 ? y : withoutGuesses(y)), commands, finish)),
        (args) => finish(start(() => run(args))),
      ),
  };
}

/** Runs a command. Before it loads schemas: zod asks when one is made. */
async function start(run: () => Promise<number>): Promise<number> {
  const { disableZodJit: parseInPlace } = await import('../disable-zod-jit.js');
  parseInPlace();
  return run();
}

/** Declares a word that is only called with a command behind it. */
export function defineCommandGroup(name: string, summary: string, commands: readonly Command[]): Command {
  const names = commands.map((command) => command.name);
  return {
    name,
    commands: names,
    register: (cli, finish) =>
      cli.command(`${name} <command>`, summary, (y) =>
        withAll(y, commands, finish).demandCommand(1, `expected ${names.join(' or ')}`),
      ),
  };
}

function withAll(cli: Argv, commands: readonly Command[], finish: Finish): Argv {
  return commands.reduce((all, command) => command.register(all, finish), cli);
}

/** Sets the order in which help prints the groups of options. */
function grouped(cli: Argv): Argv {
  return GROUPS.reduce((all, name) => all.group([], name), cli);
}

/** What may be an argument is not taken for a misspelt command. */
function withoutGuesses(cli: Argv): Argv {
  // What its types leave out.
  return (cli as Argv & { recommendCommands(recommend: boolean): Argv }).recommendCommands(false);
}

function nameOf(usage: string): string {
  return usage.split(' ')[0]!;
}
