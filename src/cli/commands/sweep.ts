import { deviceOption, jsonOption, setOption, threadsOption } from '../options.js';
import { defineCommand } from './command.js';

const threads = { ...threadsOption, describe: 'threads of each worker: a number, or auto for the cores divided by the workers; results are the same' } as const;

const worker = defineCommand({
  usage: 'worker <study>',
  summary: 'take trials of a study until none is left; so many as you like, wherever its folder is shared',
  options: (y) =>
    y
      .positional('study', { type: 'string', demandOption: true, describe: 'the folder of the study' })
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .example('$0 sweep worker runs/esmm-sweep', ''),
  async run({ study, device, threads: number }) {
    const { runSweepWorker } = await import('../sweep-command.js');
    return runSweepWorker({ study, device, threads: number });
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
        .option('json', jsonOption)
        .example('$0 sweep sweeps/esmm.yaml --set parallel=4', ''),
    async run({ file, set = [], device, threads: number, json }) {
      const { runSweep } = await import('../sweep-command.js');
      return runSweep({ file, set, device, threads: number, json });
    },
  },
  [worker],
);
