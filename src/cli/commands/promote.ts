import { userError } from '../../core/errors.js';
import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  optionalNumber,
  optionalFraction,
  threadsOption,
  verifyDataOption,
  intOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const promote = defineCommand({
  usage: 'promote [run]',
  summary: 'Point a channel such as runs/channels/prod to a run, optionally only if it is better',
  options: (y) =>
    y
      .positional('run', { type: 'string', describe: 'Run directory; its best checkpoint is compared' })
      .option('to', { type: 'string', demandOption: true, requiresArg: true, describe: 'Channel name' })
      .option('if-better', {
        type: 'string',
        requiresArg: true,
        describe: 'Metric that must improve, as in ctcvr.auc; default: promote without comparison',
      })
      .option('data', filesOption('Data to predict', 'the test set of their configs'))
      .option('confidence', optionalFraction('--confidence', 'Confidence level of the interval; default: 0.95'))
      .option(
        'margin',
        optionalNumber('--margin', 'Minimum improvement in units of the metric; negative: maximum loss; default: 0'),
      )
      .option('rows', intOption('--rows', 10_000_000, 'Maximum number of rows, sampled from all'))
      .option('previous', { type: 'boolean', describe: 'Promote the previous run of the channel' })
      .option('ignore-alarms', {
        type: 'boolean',
        default: false,
        describe: 'Promote a run of a stream whose last window has alarms',
      })
      .option('allow-training-rows', {
        type: 'boolean',
        default: false,
        describe: 'Promote a run that was trained on rows of the comparison',
      })
      .option('verify-data', verifyDataOption)
      .option('device', deviceOption)
      .option('kernels', kernelsOption)
      .option('threads', threadsOption)
      .option('json', jsonOption)
      .epilogue(
        'Exit codes: 0 if the channel points to the run, 7 if it is not better or was trained on rows of the data.',
      )
      .example('$0 promote runs/daily/2026-11-02 --to prod', '')
      .example('$0 promote runs/latest --to prod --if-better ctcvr.auc --data tomorrow.csv', '')
      .example('$0 promote --to prod --previous', ''),
  async run({
    run,
    to,
    ifBetter,
    data,
    confidence,
    margin,
    rows,
    previous,
    ignoreAlarms,
    allowTrainingRows,
    ...options
  }) {
    if (previous === true && (run !== undefined || ifBetter !== undefined))
      throw userError('usage', {
        where: '--previous',
        message: 'takes no run and no --if-better',
        fix: 'remove them',
      });
    if (previous !== true && run === undefined)
      throw userError('usage', {
        where: 'mtl promote',
        message: 'missing run',
        fix: 'pass a run, as in runs/latest or runs/esmm/001, or use --previous',
      });
    const unused = Object.entries({ data, confidence, margin }).find(([, value]) => value !== undefined)?.[0];
    if (ifBetter === undefined && unused !== undefined)
      throw userError('usage', {
        where: `--${unused}`,
        message: 'requires --if-better',
        fix: 'add --if-better METRIC, as in --if-better ctcvr.auc',
      });
    const gate =
      ifBetter === undefined ? undefined : { metric: ifBetter, confidence: confidence ?? 0.95, margin: margin ?? 0 };
    const { runPromote } = await import('../promote-command.js');
    const { verifyData, device, threads, json } = options;
    const checks = { ignoreAlarms, allowTrainingRows, verifyData };
    return runPromote({ run, to, gate, ...checks, data, limit: rows, device, threads, json });
  },
});
