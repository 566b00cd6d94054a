import type { DiffResult } from '../../diff.js';
import type { DifferingKey } from '../../diff/compared-run.js';
import type { Difference } from '../../diff/compare.js';
import { EXIT_CODES, printable } from '../../core/errors.js';
import { count, decimals, shareLine, signed, table } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import type { Terminal } from '../terminal.js';
import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  threadsOption,
  verifyDataOption,
  intOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const diff = defineCommand({
  usage: 'diff <a> <b>',
  summary: 'Compare two runs: configs, data, code, and metrics with confidence intervals',
  options: (y) =>
    y
      .positional('a', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .positional('b', {
        type: 'string',
        demandOption: true,
        describe: 'Run directory or checkpoint to compare; differences are b − a',
      })
      .option('data', filesOption('Data to predict', 'the test set of their configs'))
      .option('rows', intOption('--rows', 10_000_000, 'Maximum number of rows, sampled from all'))
      .option('use-recorded', { type: 'boolean', describe: 'Compare the metrics recorded by the runs; no intervals' })
      .conflicts('use-recorded', 'data')
      .option('verify-data', verifyDataOption)
      .option('device', deviceOption)
      .option('kernels', kernelsOption)
      .option('threads', threadsOption)
      .option('json', jsonOption)
      .example('$0 diff runs/esmm/001 runs/mmoe/001', '')
      .example('$0 diff runs/esmm/001 runs/esmm/002 --data tomorrow.csv', ''),
  async run({ a, b, data, rows, useRecorded, verifyData, device, threads, json }) {
    const { diff: compareRuns } = await import('../../diff.js');
    const { screen, warn, result } = createOutput(json);
    return runUntilSignal(
      (signal) => warn(`${signal}: stopping`),
      async (stop) => {
        const found = await compareRuns({
          paths: [a, b],
          data,
          limit: rows,
          isRecorded: useRecorded === true,
          verifyData,
          device,
          threads,
          onWarning: warn,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
          signal: stop.signal,
        });
        screen.print(formatSections(found, screen).join('\n\n'));
        result(found);
        return EXIT_CODES.done;
      },
    );
  },
});

function formatSections(found: DiffResult, screen: Terminal): readonly string[] {
  const { a, b, config, code, metrics } = found;
  return [
    table(
      ['', 'run', 'model', 'seed', 'steps'],
      [
        ['a', a],
        ['b', b],
      ].map(([side, run]) => [side as string, ...describe(run as DiffResult['a'])]),
      screen,
    ),
    formatChanges('config', config, screen),
    formatChanges('code', code, screen),
    `${screen.bold('data')}  ${formatData(found.data)}`,
    `${formatRows(found, screen)}\n${formatMetrics(found.split, metrics, screen)}`,
  ];
}

function describe({ run, model, seed, step }: DiffResult['a']): readonly string[] {
  return [run, model, String(seed), count(step)];
}

/** Maximum number of characters per value. */
const SHOWN = 40;

function formatChanges(title: string, changes: readonly DifferingKey[], screen: Terminal): string {
  if (changes.length === 0) return `${screen.bold(title)}  identical`;
  const shown = (value: unknown): string =>
    value === null ? '-' : printable(typeof value === 'string' ? value : JSON.stringify(value), SHOWN);
  return table(
    [title, 'a', 'b'],
    changes.map(({ key, a, b }) => [key, shown(a), shown(b)]),
    screen,
  );
}

function formatData(data: DiffResult['data']): string {
  const parts = Object.entries(data).map(
    ([split, isSame]) => `${split} ${isSame === null ? 'unknown' : isSame ? 'identical' : 'different rows'}`,
  );
  return parts.join(', ');
}

function formatRows({ split, rows, predictedRows, unpaired }: DiffResult, screen: Terminal): string {
  const title = screen.bold(split);
  if (rows === null || predictedRows === null) return `${title}  as recorded by the runs`;
  const sample =
    predictedRows < rows ? `${count(predictedRows)} sampled of ${count(rows)} rows` : `${count(rows)} rows`;
  return `${title}  ${sample}, predicted by both${unpaired === null ? ' and paired' : `; not paired: ${unpaired}`}`;
}

function formatMetrics(split: string, metrics: readonly Difference[], screen: Terminal): string {
  const rows = metrics.map((each) => [
    `${each.output}.${each.metric}`,
    decimals(each.a),
    decimals(each.b),
    signed(each.difference),
    each.low === null ? '-' : `${signed(each.low)} … ${signed(each.high)}`,
    getVerdict(each),
  ]);
  return table([split, 'a', 'b', 'b − a', '95% interval', ''], rows, screen);
}

/** Returns which run is better; an empty string if the interval contains 0. */
function getVerdict({ goal, low, high }: Difference): string {
  if (low === null || high === null || (low <= 0 && high >= 0)) return '';
  if (goal === 'none') return 'differs';
  return low > 0 === (goal === 'higher') ? 'b is better' : 'a is better';
}
