import {
  deviceOption,
  jsonOption,
  kernelsOption,
  getLogLevel,
  logLevelOption,
  quietOption,
  reportOption,
  setOption,
  threadsOption,
  verifyDataOption,
} from '../options.js';
import { userError } from '../../core/errors.js';
import { runCheck } from './check.js';
import { defineCommand } from './command.js';

/** Number of rows to sample per split in a dry run. */
const DRY_RUN_ROWS = 100_000;

export const train = defineCommand({
  usage: 'train [config]',
  summary: 'Train a config into a new run directory, or resume a run',
  options: (y) =>
    y
      .positional('config', { type: 'string', describe: 'Config file (YAML); default with --resume: that of the run' })
      .option('set', setOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('name', { type: 'string', requiresArg: true, describe: 'Run name, in place of the next number' })
      .conflicts('name', 'run-dir')
      .option('run-dir', { type: 'string', requiresArg: true, describe: 'Run directory' })
      .option('resume', {
        type: 'string',
        requiresArg: true,
        describe: 'Resume the run in this directory; auto finds an incomplete run, or starts a new one',
      })
      .option('init-from', {
        type: 'string',
        requiresArg: true,
        describe: 'Warm start from a run or checkpoint (--set initFrom.checkpoint)',
      })
      .option('follow', {
        type: 'boolean',
        default: false,
        describe:
          'Train on data.train as a stream that does not end: files that grow, standard input, kafka://… or nats://…',
      })
      .option('until-end', {
        type: 'boolean',
        default: false,
        describe: 'With --follow: end when the stream has no more records',
      })
      .option('verify-data', verifyDataOption)
      .option('dry-run', { type: 'boolean', default: false, describe: 'Check only, as mtl check does; writes nothing' })
      .option('baseline', {
        type: 'boolean',
        default: true,
        describe: 'Train a logistic baseline on the same features; --no-baseline skips it',
      })
      .option('report', reportOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 train configs/esmm.yaml --set training.epochs=10', '')
      .example('$0 train configs/esmm.yaml --init-from runs/latest', '')
      .example('$0 train configs/esmm.yaml --follow', '')
      .example('$0 train --resume runs/latest', ''),
  async run({ set = [], initFrom, dryRun, quiet, logLevel, ...args }) {
    const { config, device, threads, resume, follow, untilEnd, json } = args;
    if (untilEnd && !follow)
      throw userError('usage', { where: '--until-end', message: 'requires --follow', fix: 'add --follow' });
    const changes = initFrom === undefined ? set : [...set, `initFrom.checkpoint=${JSON.stringify(initFrom)}`];
    const { findConfig, runTrain } = await import('../train-command.js');
    if (dryRun) {
      const path = config ?? findConfig(resume);
      return runCheck({ path, set: changes, sampleRows: DRY_RUN_ROWS, follow, device, threads, json });
    }
    return runTrain({ ...args, set: changes, level: getLogLevel({ quiet, logLevel }) });
  },
});
