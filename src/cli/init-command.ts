import { EXIT_CODES } from '../core/errors.js';
import { init, type InitOptions } from '../init.js';
import { count, percent } from './format.js';
import { createOutput } from './output.js';
import { MTL } from '../system/command-name.js';

export interface InitArguments extends InitOptions {
  readonly json: boolean;
}

/** Runs `mtl init`: prints the written files, the detected tasks and the next commands. Returns the exit code. */
export async function runInit({ json, ...options }: InitArguments): Promise<number> {
  const { screen, result } = createOutput(json);
  const written = await init(options);
  const { config, files, rows, tasks, leftOut } = written;
  if (rows !== undefined) screen.print(`inspected ${rows.isCut ? 'a sample of ' : ''}${count(rows.count)} rows`);
  for (const { name, column, given, rate } of tasks)
    screen.print(
      `  task ${name}: column ${column}, positive in ${percent(rate)} of all ` +
        `rows${given === undefined ? '' : `, given ${given}`}`,
    );
  for (const [name, reason] of Object.entries(leftOut)) screen.print(`  excluded ${name}: ${reason}`);
  screen.print(`wrote ${files.join(', ')}`);
  screen.print(`next: ${MTL} check ${config}, then ${MTL} train ${config}`);
  result(written);
  return EXIT_CODES.done;
}
