import { relative } from 'node:path';
import { EXIT_CODES, printable } from '../core/errors.js';
import { explain, type ExplainOptions, type ExplainResult } from '../explain.js';
import { describeSequence, itemColumns, orderItems, type ItemOrder } from '../explain/order.js';
import { openExplanation } from '../explain/output.js';
import { count, shareLine, table } from './format.js';
import { createOutput, type LogLevel } from './output.js';
import { runUntilSignal } from './signals.js';
import type { Terminal } from './terminal.js';

export interface ExplainArguments extends Pick<ExplainOptions, 'path' | 'data' | 'format' | 'row' | 'raw'> {
  readonly sort: ItemOrder;
  readonly out: string | undefined;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** Width of the longest bar, and maximum length of a value, in characters. */
const [BAR_CHARACTERS, MAX_CHARACTERS] = [24, 40];

/** Runs `mtl explain`: prints the predictions and the items of a row. Returns the exit code. */
export async function runExplain({ sort, out, level, json, ...options }: ExplainArguments): Promise<number> {
  const write = out === undefined ? undefined : openExplanation(out);
  const { screen, warn, result } = createOutput(json, level);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: stopping without writing anything`),
    async (stop) => {
      const found = await explain({
        ...options,
        onWarning: warn,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal: stop.signal,
      });
      const { checkpoint, step, row, data } = found;
      const title = `row ${count(row)} of ${relative('', data) || data}`;
      screen.print(`checkpoint ${checkpoint}, after ${count(step)} steps; ${printable(title)}`);
      printExplanation(found, sort, screen);
      await write?.(found, sort, title);
      if (out !== undefined) screen.print(`written to ${out}`);
      result({ run: options.path, out, ...found });
      return EXIT_CODES.done;
    },
  );
}

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
