import { EXIT_CODES } from '../core/errors.js';
import { init, type InitOptions } from '../init.js';
import { count, percent } from './format.js';
import { createOutput } from './output.js';

/** The arguments of `mtl init`. */
export interface InitArguments extends InitOptions {
  readonly json: boolean;
}

/** `mtl init`: writes, says what it found and what comes next, and gives the exit code. */
export async function runInit({ json, ...options }: InitArguments): Promise<number> {
  const { screen, result } = createOutput(json);
  const written = await init(options);
  const { config, files, rows, tasks, leftOut } = written;
  if (rows !== undefined) screen.print(`looked at ${rows.isCut ? 'a sample of ' : ''}${count(rows.count)} rows`);
  for (const { name, column, given, rate } of tasks)
    screen.print(
      `  predicts ${name}: ${column}, yes in ${percent(rate)} of all rows${given === undefined ? '' : `, only where ${given} is`}`,
    );
  for (const [name, why] of Object.entries(leftOut)) screen.print(`  leaves out ${name}: ${why}`);
  screen.print(`written: ${files.join(', ')}`);
  screen.print(`next: mtl check ${config}, then mtl train ${config}`);
  result(written);
  return EXIT_CODES.done;
}
