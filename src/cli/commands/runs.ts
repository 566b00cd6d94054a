import { userError } from '../../errors.js';
import { jsonOption, whole, wholeOrNone } from '../options.js';
import { defineCommand } from './command.js';

const filters = { type: 'string', array: true, default: [] as string[], describe: 'only runs whose path has this in it, or whose config has this value, as in model.name=mmoe' } as const;

const remove = defineCommand({
  usage: 'rm <runs..>',
  summary: 'remove runs',
  options: (y) => y.positional('runs', { type: 'string', array: true, demandOption: true, describe: 'folders of runs' }).option('json', jsonOption),
  async run({ runs: named, json }) {
    const { runRunsRemove } = await import('../runs-command.js');
    return runRunsRemove({ runs: named, json });
  },
});

const thin = defineCommand({
  usage: 'gc [filters..]',
  summary: 'remove the checkpoints of old runs, but for the best and the last',
  options: (y) =>
    y
      .positional('filters', filters)
      .option('keep', whole('--keep', 3, 'so many of the newest runs are left as they are', undefined, 0))
      .option('dry-run', { type: 'boolean', default: false, describe: 'only tell what would be removed' })
      .option('json', jsonOption),
  async run({ filters: asked, keep, dryRun, json }) {
    const { runRunsThin } = await import('../runs-command.js');
    return runRunsThin({ filters: asked, keep, dryRun, json });
  },
});

export const runs = defineCommand(
  {
    usage: 'runs [filters..]',
    summary: 'list runs, with their state and what they measured; or remove some',
    options: (y) =>
      y
        .positional('filters', filters)
        .option('state', { choices: ['running', 'ended', 'stopped', 'failed', 'killed'] as const, describe: 'only runs of this state' })
        .option('sort', { type: 'string', requiresArg: true, describe: 'the best first by a metric, as ctcvr.auc or valid.ctr.logLoss; or startedAt, elapsedMs, rowsPerSecond' })
        .option('last', wholeOrNone('--last', 'only so many: the newest, or with --sort the best'))
        .option('csv', { type: 'boolean', default: false, describe: 'print a CSV with all metrics on stdout' })
        .option('json', jsonOption)
        .example('$0 runs --sort ctcvr.auc --last 5', '')
        .example('$0 runs esmm training.epochs=8', '')
        .example('$0 runs rm runs/esmm/001 runs/esmm/002', '')
        .example('$0 runs gc --keep 5', ''),
    async run({ filters: asked, state, sort, last, csv, json }) {
      if (csv && json) throw userError('usage', { where: '--csv', message: 'is not for --json: both say what stdout has', fix: 'leave one of them out' });
      const { runRuns } = await import('../runs-command.js');
      return runRuns({ filters: asked, state, sort, last, csv, json });
    },
  },
  [remove, thin],
);
