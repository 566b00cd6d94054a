import { EXIT_CODES, userError } from '../../core/errors.js';
import type { PromoteResult } from '../../promote.js';
import type { Gate } from '../../runs/channels.js';
import { level } from '../../text/number-text.js';
import { count, decimals, shareLine, signed } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
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
    checkOptions({ run, previous, ifBetter, data, confidence, margin });
    const gate =
      ifBetter === undefined ? undefined : { metric: ifBetter, confidence: confidence ?? 0.95, margin: margin ?? 0 };
    const { promote: promoteRun } = await import('../../promote.js');
    const { verifyData, device, threads, json } = options;
    const checks = { ignoreAlarms, allowTrainingRows, verifyData };
    const { screen, warn, result } = createOutput(json);
    return runUntilSignal(
      (received) => warn(`${received}: stopping`),
      async ({ signal }) => {
        const found = await promoteRun({
          ...{ run, to, gate, ...checks, data, limit: rows, device, threads, signal },
          onWarning: warn,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        });
        screen.print(formatResult(found).join('\n'));
        result(found);
        return found.isPromoted ? EXIT_CODES.done : EXIT_CODES.notPromoted;
      },
    );
  },
});

/** @throws UserError (usage) for options that exclude or require each other */
function checkOptions({
  run,
  previous,
  ifBetter,
  ...gated
}: {
  readonly run: string | undefined;
  readonly previous: boolean | undefined;
  readonly ifBetter: string | undefined;
  readonly data: readonly string[] | undefined;
  readonly confidence: number | undefined;
  readonly margin: number | undefined;
}): void {
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
  const unused = Object.entries(gated).find(([, value]) => value !== undefined)?.[0];
  if (ifBetter === undefined && unused !== undefined)
    throw userError('usage', {
      where: `--${unused}`,
      message: 'requires --if-better',
      fix: 'add --if-better METRIC, as in --if-better ctcvr.auc',
    });
}

function formatResult(found: PromoteResult): readonly string[] {
  const title = `${found.channel}  `;
  return [
    `${title}${formatOutcome(found)}`,
    ...(found.gate === null ? [] : [`${' '.repeat(title.length)}${formatGate(found.gate)}`]),
  ];
}

function formatOutcome({ reason, run, over }: PromoteResult): string {
  if (reason === 'first') return `points to ${run}, its first run`;
  if (reason === 'present') return `already points to ${run}`;
  if (reason === 'trainingRows')
    return `keeps ${over}: ${run} was trained on rows of the comparison; name other rows, or add --allow-training-rows`;
  if (reason === 'notBetter') return `keeps ${over}: ${run} is not better`;
  return (
    `points to ${run} in place of ` +
    `${over}${reason === 'ungated' ? ', without a comparison' : reason === 'previous' ? ', as before' : ''}`
  );
}

function formatGate({
  metric,
  goal,
  present,
  candidate,
  difference,
  low,
  high,
  confidence,
  margin,
  data,
  split,
  rows,
}: Gate): string {
  const rule = goal === 'higher' ? `be above ${margin}` : `be below ${margin === 0 ? 0 : -margin}`;
  const interval = `${level(confidence)} interval ${signed(low)} … ${signed(high)}; must ${rule}`;
  return (
    `${metric} ${decimals(candidate)} in place of ${decimals(present)}, ${signed(difference)} (${interval}), on ` +
    `${count(rows)} paired rows of ${data?.join(', ') ?? split}`
  );
}
