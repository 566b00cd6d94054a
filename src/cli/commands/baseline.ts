import { EXIT_CODES, quoted, userError } from '../../core/errors.js';
import { count, reportTable, shareLine, table } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import {
  getLogLevel,
  intOption,
  jsonOption,
  logLevelOption,
  optionalInt,
  quietOption,
  reportOption,
  setOption,
  threadsOption,
  verifyDataOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const baseline = defineCommand({
  usage: 'baseline <config>',
  summary: 'Train boosted trees (LightGBM) on the rows and features of a config, to compare models with',
  options: (y) =>
    y
      .positional('config', { type: 'string', demandOption: true, describe: 'Config file (YAML)' })
      .option('set', setOption)
      .option(
        'rounds',
        optionalInt('--rounds', 'Maximum number of trees per task; default: 1000, or 100 without data.valid'),
      )
      .option('patience', intOption('--patience', 50, 'Trees without improvement on the validation set before the end'))
      .option(
        'folds',
        optionalInt('--folds', 'Models without a part of the training rows each, for distillation', 100, 2),
      )
      .option('param', {
        type: 'string',
        requiresArg: true,
        describe: 'LightGBM parameter, as in num_leaves=63 (repeatable)',
        coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
      })
      .option('threads', threadsOption)
      .option('name', { type: 'string', requiresArg: true, describe: 'Run name, in place of the next number' })
      .conflicts('name', 'run-dir')
      .option('run-dir', { type: 'string', requiresArg: true, describe: 'Run directory' })
      .option('verify-data', verifyDataOption)
      .option('report', reportOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 baseline configs/esmm.yaml', '')
      .example('$0 baseline configs/esmm.yaml --param num_leaves=63 --param learning_rate=0.05', ''),
  async run({ config, set = [], param = [], report, quiet, logLevel, json, ...options }) {
    const [{ trainTrees }, { loadConfig }, { parseOverride }, { writeReport }] = await Promise.all([
      import('../../baseline.js'),
      import('../../config/load.js'),
      import('../../config/overrides.js'),
      import('../train-command.js'),
    ]);
    const { screen, warn, result } = createOutput(json, getLogLevel({ quiet, logLevel }));
    const params = Object.fromEntries(param.map(parseParam));
    return runUntilSignal(
      (signal) => warn(`${signal}: stopping`),
      async (stop) => {
        const loaded = await loadConfig(config, set.map(parseOverride));
        const trained = await trainTrees(loaded, {
          ...options,
          params,
          overrides: set,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
          onWarning: warn,
          signal: stop.signal,
        });
        const trees = Object.entries(trained.trees).map(([task, number]) => [task, count(number)]);
        screen.print(table(['task', 'trees'], trees, screen));
        for (const [split, metrics] of Object.entries(trained.metrics))
          screen.print(`${screen.bold(split)}\n${reportTable(split, metrics, screen)}`);
        screen.print(`run directory ${trained.run}`);
        if (report) await writeReport(trained.run, loaded.experiment, screen.print, warn);
        result(trained);
        return EXIT_CODES.done;
      },
    );
  },
});

function parseParam(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw userError('usage', {
    where: '--param',
    message: `expected a LightGBM parameter as in num_leaves=63, found ${quoted(text)}`,
  });
}
