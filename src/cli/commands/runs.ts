import { userError } from '../../core/errors.js';
import { jsonOption, intOption, optionalInt } from '../options.js';
import { defineCommand } from './command.js';

const filters = {
  type: 'string',
  array: true,
  default: [] as string[],
  describe: 'Filters: part of the path, or a config value as in model.name=mmoe',
} as const;

const remove = defineCommand({
  usage: 'rm <runs..>',
  summary: 'Remove runs',
  options: (y) =>
    y
      .positional('runs', { type: 'string', array: true, demandOption: true, describe: 'Run directories' })
      .option('json', jsonOption)
      .example('$0 runs rm runs/esmm/001 runs/esmm/002', ''),
  async run({ runs: named, json }) {
    const { runRunsRemove } = await import('../runs-command.js');
    return runRunsRemove({ runs: named, json });
  },
});

const thin = defineCommand({
  usage: 'prune [filters..]',
  summary: 'Remove the checkpoints of old runs, except the best and the last',
  options: (y) =>
    y
      .positional('filters', filters)
      .option('keep-last', intOption('--keep-last', 3, 'Number of newest runs to leave untouched', undefined, 0))
      .option('dry-run', {
        type: 'boolean',
        default: false,
        describe: 'Print what would be removed, without removing it',
      })
      .option('json', jsonOption)
      .example('$0 runs prune --keep-last 5', ''),
  async run({ filters: given, keepLast, dryRun, json }) {
    const { runRunsThin } = await import('../runs-command.js');
    return runRunsThin({ filters: given, keepLast, dryRun, json });
  },
});

const compact = defineCommand({
  usage: 'compact <run>',
  summary: 'Write the last delta of a run as a full checkpoint, also while it is trained',
  options: (y) =>
    y
      .positional('run', { type: 'string', demandOption: true, describe: 'Run or checkpoint directory' })
      .option('json', jsonOption)
      .example('$0 runs compact runs/esmm/001', ''),
  async run({ run, json }) {
    const { runRunsCompact } = await import('../runs-command.js');
    return runRunsCompact({ run, json });
  },
});

export const runs = defineCommand(
  {
    usage: 'runs [filters..]',
    summary: 'List runs with state and metrics, remove runs and checkpoints, or compact deltas',
    options: (y) =>
      y
        .positional('filters', filters)
        .option('state', {
          choices: ['running', 'completed', 'stopped', 'failed', 'killed'] as const,
          describe: 'Show only runs in this state',
        })
        .option('sort', {
          type: 'string',
          requiresArg: true,
          describe: 'Sort by a metric, best first, as in ctcvr.auc; or by startedAt, elapsedMs or rowsPerSecond',
        })
        .option('last', optionalInt('--last', 'Maximum number of runs: the newest, or with --sort the best'))
        .option('csv', { type: 'boolean', default: false, describe: 'Print all metrics as CSV on stdout' })
        .option('json', jsonOption)
        .example('$0 runs --sort ctcvr.auc --last 5', '')
        .example('$0 runs esmm training.epochs=8', '')
        .example('$0 runs rm runs/esmm/001 runs/esmm/002', '')
        .example('$0 runs prune --keep-last 5', '')
        .example('$0 runs compact runs/esmm/001', ''),
    async run({ filters: given, state, sort, last, csv, json }) {
      if (csv && json)
        throw userError('usage', {
          where: '--csv',
          message: 'conflicts with --json, since both write to standard output',
          fix: 'remove one of them',
        });
      const { runRuns } = await import('../runs-command.js');
      return runRuns({ filters: given, state, sort, last, csv, json });
    },
  },
  [remove, thin, compact],
);
