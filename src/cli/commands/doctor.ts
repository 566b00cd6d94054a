import { EXIT_CODES } from '../../core/errors.js';
import { packageVersion } from '../../runs/package-version.js';
import { createOutput } from '../output.js';
import { LIST_NAMES, type ListName } from '../../engines/compile/lists.js';
import { jsonOption, setOption } from '../options.js';
import { defineCommand } from './command.js';

export const doctor = defineCommand({
  usage: 'doctor',
  summary: 'Inspect this machine: Node, cores, kernels, GPU, disk space; or print the compiled program of a config',
  options: (y) =>
    y
      .option('program', {
        type: 'string',
        requiresArg: true,
        describe: 'Config file whose compiled training step to print instead',
      })
      .option('set', setOption)
      .option('list', {
        choices: LIST_NAMES,
        default: 'train' as const,
        describe: 'List of calls to print',
      })
      .option('json', jsonOption)
      .example('$0 doctor', '')
      .example('$0 doctor --program configs/esmm.yaml', ''),
  run: ({ json, program, set = [], list }) =>
    program === undefined ? inspectMachine(json) : printProgram(program, set, list, json),
});

const MARKS = { ok: 'ok', without: '-', wrong: 'NO' } as const;

/**
 * Prints each finding with its fix. Returns the exit code, which is the code of usage errors if something must be
 * fixed.
 */
async function inspectMachine(json: boolean): Promise<number> {
  const found = await (await import('../../doctor.js')).doctor();
  const { screen, result } = createOutput(json);
  screen.print(`mtl ${packageVersion()}`);
  for (const { name, state, message, fix } of found) {
    screen.print(`  ${MARKS[state].padEnd(3)} ${screen.bold(name.padEnd(8))} ${message}`);
    if (fix !== undefined) screen.print(screen.dim(`               ${fix}`));
  }
  const isWell = found.every(({ state }) => state !== 'wrong');
  result({ mtl: packageVersion(), isWell, found });
  return isWell ? EXIT_CODES.done : EXIT_CODES.usage;
}

/** Rows from which vocabularies are read: the sizes of tables change no call. */
const SAMPLE_ROWS = 10_000;

/** Prints the compiled calls of a config. Returns the exit code. */
async function printProgram(path: string, set: readonly string[], list: ListName, json: boolean): Promise<number> {
  const { describeProgram } = await import('../../check.js');
  const { screen, result } = createOutput(json);
  const program = await describeProgram({ path, set, sampleRows: SAMPLE_ROWS }, list);
  screen.print(program);
  result({ path, list, program });
  return EXIT_CODES.done;
}
