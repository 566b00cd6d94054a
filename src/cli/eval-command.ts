import type { Device } from '../engines/device.js';
import { EXIT_CODES } from '../core/errors.js';
import { evaluate } from '../evaluate.js';
import { count, reportTable } from './format.js';
import { createOutput } from './output.js';

export interface EvalArguments {
  readonly path: string;
  readonly data: readonly string[] | undefined;
  readonly by: readonly string[] | undefined;
  readonly raw: boolean;
  readonly device: Device;
  readonly threads: number | undefined;
  readonly verifyData: boolean;
  readonly json: boolean;
}

/** Runs `mtl eval` and prints the metrics. Returns the exit code. */
export async function runEval({
  path,
  data,
  by,
  raw,
  device,
  threads,
  verifyData,
  json,
}: EvalArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  const { checkpoint, step, metrics, rejectedRows } = await evaluate({
    path,
    data,
    by,
    raw,
    device,
    threads,
    verifyData,
    onWarning: warn,
    signal: new AbortController().signal,
  });
  screen.print(`checkpoint ${checkpoint}, after ${count(step)} steps`);
  if (rejectedRows > 0) screen.print(`${count(rejectedRows)} invalid rows were skipped`);
  for (const [split, report] of Object.entries(metrics)) screen.print(reportTable(split, report, screen));
  result({ run: path, checkpoint, step, metrics, rejectedRows });
  return EXIT_CODES.done;
}
