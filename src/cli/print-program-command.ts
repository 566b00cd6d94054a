import { describeProgram } from '../check.js';
import { EXIT_CODES } from '../core/errors.js';
import type { ListName } from '../engines/compile/lists.js';
import { createOutput } from './output.js';

/** Rows from which vocabularies are read: the sizes of tables change no call. */
const SAMPLE_ROWS = 10_000;

export interface PrintProgramArguments {
  readonly path: string;
  readonly set: readonly string[];
  readonly list: ListName;
  readonly json: boolean;
}

/** Runs `mtl doctor --program` and prints the compiled calls of a config. Returns the exit code. */
export async function runPrintProgram({ path, set, list, json }: PrintProgramArguments): Promise<number> {
  const { screen, result } = createOutput(json);
  const program = await describeProgram({ path, set, sampleRows: SAMPLE_ROWS }, list);
  screen.print(program);
  result({ path, list, program });
  return EXIT_CODES.done;
}
