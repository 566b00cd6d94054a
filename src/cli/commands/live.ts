import { canaryOptions } from '../canary-options.js';
import { intOption, optionalInt, setOption, threadsOption } from '../options.js';
import { defineCommand } from './command.js';

export const live = defineCommand({
  usage: 'live <config>',
  summary: 'Train on a stream and serve the newest weights, and keep both running',
  options: (y) =>
    y
      .positional('config', {
        type: 'string',
        demandOption: true,
        describe: 'Config file (YAML) whose data.train is a stream',
      })
      .option('set', setOption)
      .option('name', {
        type: 'string',
        requiresArg: true,
        default: 'live',
        describe: 'Run name; an existing run is resumed',
      })
      .option('threads', {
        ...threadsOption,
        describe: 'Threads of training: a number, or auto for one per core except the first; results are identical',
      })
      .option('port', intOption('--port', 8080, 'TCP port of the server; 0 picks a free one', 65_535, 0))
      .option('host', {
        type: 'string',
        requiresArg: true,
        default: '127.0.0.1',
        describe: 'Address to listen on; 0.0.0.0 for all interfaces',
      })
      .option('workers', optionalInt('--workers', 'Prediction threads; default: cores minus one', 64))
      .option('ignore-alarms', {
        type: 'boolean',
        default: false,
        describe: 'Serve checkpoints whose last window has alarms',
      })
      .option('canary', canaryOptions.canary)
      .option('shadow', canaryOptions.shadow)
      .option('share', canaryOptions.share)
      .option('share-by', canaryOptions['share-by'])
      .option('keep', canaryOptions.keep)
      // Declared, so that the error has the reason.
      .option('promote-if', { ...canaryOptions['promote-if'], hidden: true })
      .example('$0 live stream.yaml', '')
      .example('$0 live stream.yaml --shadow runs/wide/001', '')
      .example('$0 live stream.yaml --port 9000', ''),
  async run(options) {
    const { runLive } = await import('../live-command.js');
    return runLive({ ...options, set: options.set ?? [] });
  },
});
