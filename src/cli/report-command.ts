import { EXIT_CODES } from '../core/errors.js';
import { report } from '../report.js';
import { createOutput } from './output.js';

export interface ReportArguments {
  readonly runs: readonly string[];
  readonly out: string | undefined;
  readonly json: boolean;
}

/** Runs `mtl report` and prints the path of the page. Returns the exit code. */
export async function runReport({ runs, out, json }: ReportArguments): Promise<number> {
  const { screen, result } = createOutput(json);
  const path = await report({ runs, out });
  screen.print(`written to ${path}`);
  result({ runs, report: path });
  return EXIT_CODES.done;
}
