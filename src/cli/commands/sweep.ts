import { deviceOption, jsonOption, kernelsOption, setOption, threadsOption, whole, wholeOrNone } from '../options.js';
import { defineCommand } from './command.js';

const studyFolder = { type: 'string', demandOption: true, describe: 'the folder of the study' } as const;
const threads = { ...threadsOption, describe: 'threads of each worker: a number, or auto for the cores divided by the workers; results are the same' } as const;

const worker = defineCommand({
  usage: 'worker <study>',
  summary: 'take trials of a study until none is left; so many as you like, wherever its folder is shared',
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
  summary: 'tell how a study stands: its trials, the best first, and the Pareto front of two metrics',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('top', whole('--top', 20, 'trials in the table'))
      .option('pareto', { type: 'string', requiresArg: true, describe: 'two metrics of valid to weigh against each other, as in ctr.auc,ctcvr.auc' })
      .option('html', { type: 'boolean', default: false, describe: 'draw study.html in the folder of the study, as the end of a sweep does' })
      .option('json', jsonOption)
      .example('$0 sweep show runs/studies/esmm --pareto ctr.auc,ctcvr.auc', ''),
  async run({ study, top, pareto, html, json }) {
    const { runSweepShow } = await import('../sweep-results-command.js');
    return runSweepShow({ study, top, pareto, html, json });
  },
});

const best = defineCommand({
  usage: 'best <study>',
  summary: 'print the config of the best trial, which trains as it is',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('trial', wholeOrNone('--trial', 'that of another trial'))
      .option('out', { type: 'string', requiresArg: true, describe: 'write it to this file' })
      .option('json', jsonOption)
      .example('$0 sweep best runs/studies/esmm --out best.yaml', ''),
  async run({ study, trial, out, json }) {
    const { runSweepBest } = await import('../sweep-results-command.js');
    return runSweepBest({ study, trial, out, json });
  },
});

const exportTrials = defineCommand({
  usage: 'export <study>',
  summary: 'print all trials as CSV, with their values and metrics',
  options: (y) =>
    y
      .positional('study', studyFolder)
      .option('json', { ...jsonOption, describe: 'print them as JSON' })
      .example('$0 sweep export runs/studies/esmm > trials.csv', ''),
  async run({ study, json }) {
    const { runSweepExport } = await import('../sweep-results-command.js');
    return runSweepExport({ study, json });
  },
});

export const sweep = defineCommand(
  {
    usage: 'sweep [file]',
    summary: 'train a config with other values, as a study says, and tell which are best',
    options: (y) =>
      y
        .positional('file', { type: 'string', describe: 'YAML file of a study' })
        .option('set', { ...setOption, describe: 'change a key of the study, as in trials=50; repeatable' })
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
