import { deviceOption, jsonOption, kernelsOption, logLevelOf, logLevelOption, quietOption, setOption, threadsOption, verifyDataOption } from '../options.js';
import { defineCommand } from './command.js';

/** Rows of each split that a dry run looks at. */
const DRY_RUN_ROWS = 100_000;

export const train = defineCommand({
  usage: 'train [config]',
  summary: 'train what a config describes, into a new run folder, or go on with a run',
  options: (y) =>
    y
      .positional('config', { type: 'string', describe: 'YAML file; with --resume RUN, the one of that run where it is left out' })
      .option('set', setOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('name', { type: 'string', requiresArg: true, describe: 'name of the run in place of the next number' })
      .conflicts('name', 'run-dir')
      .option('run-dir', { type: 'string', requiresArg: true, describe: 'the very folder of the run' })
      .option('resume', { type: 'string', requiresArg: true, describe: 'go on with the run in this folder; auto: with the one that --run-dir or --name says, else the newest that has not ended, else anew' })
      .option('init-from', { type: 'string', requiresArg: true, describe: 'start from the weights of this run or checkpoint: --set initFrom.checkpoint' })
      .option('verify-data', verifyDataOption)
      .option('dry-run', { type: 'boolean', default: false, describe: 'find all that is wrong, take one step and write nothing: mtl check' })
      .option('report', { type: 'boolean', default: true, describe: 'draw report.html when the run ends; --no-report leaves it out' })
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 train configs/esmm.yaml --set training.epochs=10', '')
      .example('$0 train configs/esmm.yaml --init-from runs/latest', '')
      .example('$0 train --resume runs/latest', ''),
  async run({ config, set = [], initFrom, device, threads, name, runDir, resume, verifyData, dryRun, report, quiet, logLevel, json }) {
    const changes = initFrom === undefined ? set : [...set, `initFrom.checkpoint=${JSON.stringify(initFrom)}`];
    const { configOf, runTrain } = await import('../train-command.js');
    if (dryRun) {
      const { runCheck } = await import('../check-command.js');
      return runCheck({ path: config ?? configOf(resume), set: changes, sampleRows: DRY_RUN_ROWS, device, threads, json });
    }
    return runTrain({ config, set: changes, device, threads, name, runDir, resume, verifyData, report, level: logLevelOf({ quiet, logLevel }), json });
  },
});
