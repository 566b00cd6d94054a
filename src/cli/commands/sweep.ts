import {
  deviceOption,
  jsonOption,
  kernelsOption,
  setOption,
  threadsOption,
  intOption,
  optionalInt,
} from '../options.js';
import { defineCommand } from './command.js';

const studyFolder = { type: 'string', demandOption: true, describe: 'Study directory' } as const;
const threads = {
  ...threadsOption,
  describe: 'Threads per worker: a number, or auto for cores divided by workers; results are identical',
} as const;

const worker = defineCommand({
  usage: 'worker <study>',
  summary: 'Run trials of a study until none is left; start any number on machines that share its directory',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .example('$0 sweep worker runs/studies/esmm', ''),
  async run({ study, device, threads: number }) {
    const { runSweepWorker } = await import('../sweep-command.js');
    return runSweepWorker({ study, device, threads: number });
  },
});

const show = defineCommand({
  usage: 'show <study>',
  summary: 'Show the state of a study: trials, best first, and the Pareto front of two metrics',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('top', intOption('--top', 20, 'Number of trials in the table'))
      .option('pareto', {
        type: 'string',
        requiresArg: true,
        describe: 'Two validation metrics for the Pareto front, as in ctr.auc,ctcvr.auc',
      })
      .option('html', {
        type: 'boolean',
        default: false,
        describe: 'Write study.html to the study directory, as mtl sweep does at its end',
      })
      .option('json', jsonOption)
      .example('$0 sweep show runs/studies/esmm --pareto ctr.auc,ctcvr.auc', ''),
  async run({ study, top, pareto, html, json }) {
    const { runSweepShow } = await import('../sweep-results-command.js');
    return runSweepShow({ study, top, pareto, html, json });
  },
});

const best = defineCommand({
  usage: 'best <study>',
  summary: 'Print the config of the best trial, ready to train',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('trial', optionalInt('--trial', 'Trial number, in place of the best'))
      .option('out', { type: 'string', requiresArg: true, describe: 'Output file; default: standard output' })
      .option('json', jsonOption)
      .example('$0 sweep best runs/studies/esmm --out best.yaml', ''),
  async run({ study, trial, out, json }) {
    const { runSweepBest } = await import('../sweep-results-command.js');
    return runSweepBest({ study, trial, out, json });
  },
});

const exportTrials = defineCommand({
  usage: 'export <study>',
  summary: 'Print all trials as CSV, with parameters and metrics',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('json', { ...jsonOption, describe: 'Print JSON in place of CSV' })
      .example('$0 sweep export runs/studies/esmm > trials.csv', ''),
  async run({ study, json }) {
    const { runSweepExport } = await import('../sweep-results-command.js');
    return runSweepExport({ study, json });
  },
});

export const sweep = defineCommand(
  {
    usage: 'sweep [file]',
    summary: 'Search hyperparameters as a study file describes, and report the best',
    options: (y) =>
      y
        .positional('file', { type: 'string', describe: 'Study file (YAML)' })
        .option('set', { ...setOption, describe: 'Override a study key, as in trials=50 (repeatable)' })
        .option('device', deviceOption)
        .option('threads', threads)
        .option('kernels', kernelsOption)
        .option('json', jsonOption)
        .example('$0 sweep sweeps/esmm.yaml --set parallel=4', ''),
    async run({ file, set = [], device, threads: number, json }) {
      const { runSweep } = await import('../sweep-command.js');
      return runSweep({ file, set, device, threads: number, json });
    },
  },
  [show, best, exportTrials, worker],
);
