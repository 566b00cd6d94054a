import type { ArgumentsCamelCase, Argv } from 'yargs';

/** Awaits a command and records its exit code. */
export type Finish = (run: Promise<number>) => Promise<void>;

/** A command, or a group of subcommands. */
export interface Command {
  readonly name: string;
  /** Names of its subcommands. */
  readonly commands: readonly string[];
  register(cli: Argv, finish: Finish): Argv;
}

/** Option groups in the order of help; the second one has all ungrouped options. */
const GROUPS = ['Positionals:', 'Options:', 'Compute:', 'Output:'];

/** Declaration of a command. */
interface CommandParts<Options> {
  /** Name and positional arguments, as in `eval <path>`. */
  readonly usage: string;
  readonly summary: string;
  /** Declares options and examples. */
  options(cli: Argv): Argv<Options>;
  /** Loads and runs the command, so that help loads nothing. Returns the exit code. */
  run(args: ArgumentsCamelCase<Options>): Promise<number>;
}

/** Declares a command with typed options. Its name may also be followed by one of `commands`. */
export function defineCommand<Options>(
  { usage, summary, options, run }: CommandParts<Options>,
  commands: readonly Command[] = [],
): Command {
  return {
    name: getName(usage),
    commands: commands.map(({ name }) => name),
    register: (cli, finish) =>
      cli.command(
        usage,
        summary,
        (y) => options(registerAll(orderGroups(commands.length === 0 ? y : disableSuggestions(y)), commands, finish)),
        (args) => finish(start(() => run(args))),
      ),
  };
}

/** Runs a command. zod reads its settings when a schema is created, so they are set first. */
async function start(run: () => Promise<number>): Promise<number> {
  const { disableZodJit } = await import('../disable-zod-jit.js');
  disableZodJit();
  return run();
}

/** Declares a group that requires a subcommand. */
export function defineCommandGroup(name: string, summary: string, commands: readonly Command[]): Command {
  const names = commands.map((command) => command.name);
  return {
    name,
    commands: names,
    register: (cli, finish) =>
      cli.command(`${name} <command>`, summary, (y) =>
        registerAll(y, commands, finish).demandCommand(1, `expected ${names.join(' or ')}`),
      ),
  };
}

function registerAll(cli: Argv, commands: readonly Command[], finish: Finish): Argv {
  return commands.reduce((all, command) => command.register(all, finish), cli);
}

/** Sets the order of option groups in help. */
function orderGroups(cli: Argv): Argv {
  return GROUPS.reduce((all, name) => all.group([], name), cli);
}

/** Disables suggestions: an argument must not be mistaken for a misspelled command. */
function disableSuggestions(cli: Argv): Argv {
  // Missing from yargs's types.
  return (cli as Argv & { recommendCommands(recommend: boolean): Argv }).recommendCommands(false);
}

function getName(usage: string): string {
  return usage.split(' ')[0]!;
}
