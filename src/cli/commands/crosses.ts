import type { CrossesResult } from '../../crosses.js';
import { EXIT_CODES } from '../../core/errors.js';
import { count, percent, shareLine, table } from '../format.js';
import { intOption, jsonOption, setOption, threadsOption, verifyDataOption } from '../options.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import type { Terminal } from '../terminal.js';
import { defineCommand } from './command.js';

export const crosses = defineCommand({
  usage: 'crosses <config>',
  summary: 'Find column pairs whose combination predicts a label better than the columns alone',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
      .option('set', setOption)
      .option('task', {
        type: 'string',
        requiresArg: true,
        describe: 'Task whose label to explain; default: the first task',
      })
      .option('top', intOption('--top', 5, 'Maximum number of crosses', 100))
      .option('rows', intOption('--rows', 1_000_000, 'Maximum number of rows, sampled from all'))
      .option('seed', intOption('--seed', 2026, 'Random seed of the sample', undefined, 0))
      .option('threads', threadsOption)
      .option('verify-data', verifyDataOption)
      .option('json', jsonOption)
      .example('$0 crosses my.yaml', '')
      .example('$0 crosses my.yaml --task cvr --top 3', ''),
  async run({ config, set = [], task, top, rows, seed, threads, verifyData, json }) {
    const { loadConfig } = await import('../../config/load.js');
    const { parseOverride } = await import('../../config/overrides.js');
    const { findCrosses } = await import('../../crosses.js');
    const { experiment } = await loadConfig(config, set.map(parseOverride));
    const { screen, warn, result } = createOutput(json);
    return runUntilSignal(
      (signal) => screen.print(`${signal}: stopping`),
      async (stop) => {
        const found = await findCrosses({
          experiment,
          task,
          top,
          rows,
          seed,
          threads,
          verifyData,
          onWarning: warn,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
          signal: stop.signal,
        });
        screen.print(
          `${found.task}: ${count(found.rows)} of ${count(found.totalRows)} training rows, ` +
            `${count(found.pairs)} column pairs; log loss ${found.loss.toFixed(4)} without crosses`,
        );
        screen.print(
          found.crosses.length === 0
            ? 'no column pair improves the log loss significantly on these rows'
            : `${crossTable(found, screen)}\n\n${found.yaml.trimEnd()}`,
        );
        result({ config, ...found });
        return EXIT_CODES.done;
      },
    );
  },
});

/** Builds a table of what each cross adds to all fields and the crosses above it. */
function crossTable({ crosses, loss }: CrossesResult, screen: Terminal): string {
  const rows = crosses.map(({ columns, logLossGain: gain, zScore: z, combinations }) => [
    columns.join(' × '),
    (-gain).toFixed(5),
    percent(gain / loss),
    z.toFixed(1),
    count(combinations),
  ]);
  return table(['columns', 'log loss', 'relative', 'z-score', 'combinations'], rows, screen);
}
