import { relative } from 'node:path';
import { EXIT_CODES, printable } from '../../core/errors.js';
import type { ExplainResult } from '../../explain.js';
import { describeSequence, itemColumns, orderItems, type ItemOrder } from '../../explain/order.js';
import { count, shareLine, table } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import type { Terminal } from '../terminal.js';
import {
  filesOption,
  getLogLevel,
  intOption,
  jsonOption,
  kernelsOption,
  logLevelOption,
  quietOption,
  rawOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const explain = defineCommand({
  usage: 'explain <path>',
  summary: 'Print the weights of the items that a model attends to in a row',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option('data', filesOption('Data with the row (- for standard input)', 'the test set, else the validation set'))
      .option('format', {
        choices: ['csv', 'jsonl'] as const,
        describe: 'Format of --data; overrides data.format',
      })
      .option('row', intOption('--row', 1, 'Number of the row in the data, as mtl predict counts them'))
      .option('sort', {
        choices: ['weight', 'position'] as const,
        default: 'weight' as const,
        describe: 'Order of the items: largest weight first, or newest first',
      })
      .option('out', { type: 'string', requiresArg: true, describe: 'Output file: .svg (chart) or .json' })
      .option('raw', rawOption)
      .option('kernels', kernelsOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 explain runs/latest --row 3', '')
      .example('$0 explain runs/latest --data today.csv --sort position --out attention.svg', ''),
  async run({ path, data, format, row: number, sort, out, raw, quiet, logLevel, json }) {
    const [{ explain: explainRow }, { openExplanation }] = await Promise.all([
      import('../../explain.js'),
      import('../../explain/output.js'),
    ]);
    const write = out === undefined ? undefined : openExplanation(out);
    const { screen, warn, result } = createOutput(json, getLogLevel({ quiet, logLevel }));
    return runUntilSignal(
      (signal) => screen.print(`${signal}: stopping without writing anything`),
      async (stop) => {
        const found = await explainRow({
          path,
          data,
          format,
          row: number,
          raw,
          onWarning: warn,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
          signal: stop.signal,
        });
        const { checkpoint, step, row, data: file } = found;
        const title = `row ${count(row)} of ${relative('', file) || file}`;
        screen.print(`checkpoint ${checkpoint}, after ${count(step)} steps; ${printable(title)}`);
        printExplanation(found, sort, screen);
        await write?.(found, sort, title);
        if (out !== undefined) screen.print(`written to ${out}`);
        result({ run: path, out, ...found });
        return EXIT_CODES.done;
      },
    );
  },
});

/** Width of the longest bar, and maximum length of a value, in characters. */
const [BAR_CHARACTERS, MAX_CHARACTERS] = [24, 40];

/** Prints a table of the predictions, and one of the items of each sequence. */
function printExplanation({ predictions, sequences }: ExplainResult, order: ItemOrder, screen: Terminal): void {
  const outputs = Object.entries(predictions).map(([name, value]) => [name, value.toFixed(4)]);
  screen.print(table(['output', 'prediction'], outputs, screen));
  for (const sequence of sequences) {
    screen.print(printable(describeSequence(sequence)));
    if (sequence.encoders.length === 0) screen.print(`  no encoder of ${sequence.name} gives items weights`);
    const { header, cells } = itemColumns(sequence);
    const weights = sequence.encoders.flatMap((encoder) => [encoder, 'share', ...(screen.isTerminal ? [''] : [])]);
    const rows = orderItems(sequence, order).map((item) => [
      ...cells(item).map((text) => printable(text, MAX_CHARACTERS)),
      ...sequence.encoders.flatMap((encoder) => {
        const { weight, share } = item.attention[encoder]!;
        const texts = [weight?.toPrecision(4) ?? '-', share === null ? '-' : `${(100 * share).toFixed(1)}%`];
        return screen.isTerminal ? [...texts, bar(share ?? 0)] : texts;
      }),
    ]);
    if (rows.length > 0) screen.print(table([...header, ...weights], rows, screen));
  }
}

/** Draws a share as a bar. */
function bar(share: number): string {
  return '█'.repeat(Math.round(Math.abs(share) * BAR_CHARACTERS)).padEnd(BAR_CHARACTERS);
}
