import { EXIT_CODES } from '../../core/errors.js';
import { count, reportTable } from '../format.js';
import { createOutput } from '../output.js';
import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  rawOption,
  tablesOption,
  threadsOption,
  verifyDataOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const evaluate = defineCommand({
  usage: 'eval <path>',
  summary: 'Compute the metrics of a run or checkpoint',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option('data', filesOption("Data to measure, in place of the config's"))
      .option('segment-by', {
        type: 'string',
        requiresArg: true,
        describe: "Segment column: repeat every metric per value; replaces the config's (repeatable)",
        coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
      })
      .option('raw', rawOption)
      .option('tables', { ...tablesOption, describe: 'Embedding tables to compare with f32: fp16 or int8' })
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('verify-data', verifyDataOption)
      .option('json', jsonOption)
      .example('$0 eval runs/latest', '')
      .example('$0 eval runs/latest --data tomorrow.csv --segment-by country', ''),
  async run({ path, data, segmentBy, raw, tables, device, threads, verifyData, json }) {
    const { evaluate: measure } = await import('../../evaluate.js');
    const { screen, warn, result } = createOutput(json);
    const { checkpoint, step, metrics, rejectedRows, quantized } = await measure({
      path,
      data,
      segmentBy,
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
  },
});
