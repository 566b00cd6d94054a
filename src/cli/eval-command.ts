import type { Device } from '../engines/device.js';
import { EXIT_CODES } from '../core/errors.js';
import { evaluate } from '../evaluate.js';
import type { TableFormat } from '../tables/row-formats.js';
import { count, reportTable } from './format.js';
import { createOutput } from './output.js';

export interface EvalArguments {
  readonly path: string;
  readonly data: readonly string[] | undefined;
  readonly by: readonly string[] | undefined;
  readonly raw: boolean;
  readonly tables: TableFormat;
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
  tables,
  device,
  threads,
  verifyData,
  json,
}: EvalArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  const { checkpoint, step, metrics, rejectedRows, quantized } = await evaluate({
    path,
    data,
    by,
    raw,
    tables,
    device,
    threads,
    verifyData,
    onWarning: warn,
    signal: new AbortController().signal,
  });
  screen.print(`checkpoint ${checkpoint}, after ${count(step)} steps`);
  if (rejectedRows > 0) screen.print(`${count(rejectedRows)} invalid rows were skipped`);
  for (const [split, report] of Object.entries(metrics)) {
    screen.print(reportTable(split, report, screen));
    if (quantized === undefined) continue;
    const differences = Object.entries(quantized.largestDifferences[split]!);
    screen.print(reportTable(`${split}, ${quantized.tables} tables`, quantized.metrics[split]!, screen));
    const list = differences.map(([output, difference]) => `${output} ${difference.toPrecision(3)}`).join(', ');
    screen.print(`largest difference of a prediction: ${list}`);
  }
  result({ run: path, checkpoint, step, metrics, rejectedRows, ...(quantized !== undefined && { quantized }) });
  return EXIT_CODES.done;
}
