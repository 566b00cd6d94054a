import { availableParallelism } from 'node:os';
import { EXIT_CODES, userError } from '../../core/errors.js';
import { MTL } from '../../system/command-name.js';
import { duration } from '../../text/number-text.js';
import { canaryOptions, listCanaryArguments, readCanaryOptions, type CanaryArguments } from '../canary-options.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
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
      .option('outcome-timeout', canaryOptions['outcome-timeout'])
      // Declared, so that the error has the reason.
      .option('promote-if', { ...canaryOptions['promote-if'], hidden: true })
      .example('$0 live stream.yaml', '')
      .example('$0 live stream.yaml --shadow runs/wide/001', '')
      .example('$0 live stream.yaml --port 9000', ''),
  async run({ host, port, workers, threads, ignoreAlarms, set = [], ...options }) {
    await checkCanary(options);
    const { screen } = createOutput(false);
    const [{ live: runBoth }, { waitForKernels }] = await Promise.all([
      import('../../live.js'),
      import('../../engines/cpu/load-kernels.js'),
    ]);
    // For the processes that train and serve.
    waitForKernels();
    return runUntilSignal(
      (signal) => screen.print(`${signal}: stopping both; send it again to quit immediately`),
      async (stop) => {
        const code = await runBoth({
          ...options,
          set,
          // The program, its flags, and the script that started this process.
          mtl: [process.execPath, ...process.execArgv, process.argv[1]!],
          // Requests that wait for a core that trains would be late.
          trainArgs: ['--threads', String(threads ?? Math.max(1, availableParallelism() - 1))],
          serveArgs: [
            ...['--host', host, '--port', String(port)],
            ...(workers === undefined ? [] : ['--workers', String(workers)]),
            ...(ignoreAlarms ? ['--ignore-alarms'] : []),
            ...listCanaryArguments(options),
          ],
          signal: stop.signal,
          onLine: (name, line) => screen.print(`${name.padEnd(5)} | ${line}`),
          onRestart: (name, reason, pauseMs) =>
            screen.print(`${name.padEnd(5)} | ${reason}; starts again in ${duration(pauseMs)}`),
        });
        return stop.received === undefined ? code : EXIT_CODES[stop.received];
      },
    );
  },
});

/** Reports now what the server would report after the first checkpoint. */
async function checkCanary(options: Omit<CanaryArguments, 'after' | 'confidence'>): Promise<void> {
  const { promoteIf } = options;
  if (promoteIf !== undefined)
    throw userError('usage', {
      where: `--promote-if ${promoteIf}`,
      message: 'requires a channel, and mtl live serves the run that it trains',
      fix: `decide by GET /canary, or compare finished runs: ${MTL} serve runs/channels/prod --canary RUN …`,
    });
  const canary = readCanaryOptions({ ...options, after: undefined, confidence: undefined });
  if (canary === undefined) return;
  const { findCheckpoint } = await import('../../runs/find-checkpoint.js');
  findCheckpoint(canary.path, ['last']);
}
