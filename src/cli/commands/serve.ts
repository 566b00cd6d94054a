import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { EXIT_CODES, printable } from '../../core/errors.js';
import { isLoopback } from '../loopback.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import { readToken, TOKEN } from '../token.js';
import {
  jsonOption,
  kernelsOption,
  precisionOption,
  rawOption,
  tablesOption,
  intOption,
  optionalInt,
} from '../options.js';
import { canaryOptions, readCanaryOptions } from '../canary-options.js';
import { defineCommand } from './command.js';

/** Maximum polling interval of a running training, if the file system reports no changes. */
const MAX_FOLLOW_MS = 500;

export const serve = defineCommand({
  usage: 'serve <paths..>',
  summary: 'Serve predictions over HTTP',
  options: (y) =>
    y
      .positional('paths', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Run directories (best checkpoint) or checkpoints',
      })
      .option('name', {
        type: 'string',
        requiresArg: true,
        describe: 'Comma-separated model names, in order; default: config names',
      })
      .option('port', intOption('--port', 8080, 'TCP port; 0 picks a free one', 65_535, 0))
      .option('host', {
        type: 'string',
        requiresArg: true,
        default: '127.0.0.1',
        describe: 'Address to listen on; 0.0.0.0 for all interfaces',
      })
      .option('workers', optionalInt('--workers', 'Prediction threads per model; default: cores minus one', 64))
      .option('kernels', kernelsOption)
      .option('precision', precisionOption)
      .option('tables', tablesOption)
      .option('reload', {
        type: 'boolean',
        default: false,
        describe: 'Load newer checkpoints as they appear, without dropping requests',
      })
      .option('follow', {
        type: 'boolean',
        default: false,
        describe: 'Like --reload, and serve the last checkpoint of a run, not the best',
      })
      .option('reload-every', intOption('--reload-every', 10, 'With --reload: polling interval in seconds', 86_400))
      .option('ignore-alarms', {
        type: 'boolean',
        default: false,
        describe: 'With --reload or --follow: serve checkpoints of streams whose last window has alarms',
      })
      .option('max-body', intOption('--max-body', 16, 'Maximum request size in MB', 1024))
      .option('max-rows', intOption('--max-rows', 10_000, 'Maximum rows per request', 10_000_000))
      .option('timeout', intOption('--timeout', 30, 'Request timeout in seconds', 3600))
      .option('histories', {
        type: 'string',
        describe: 'Load the event logs of data.sequences, or from this file; requests then need only keys',
      })
      .option('raw', rawOption)
      .option('canary', canaryOptions.canary)
      .option('shadow', canaryOptions.shadow)
      .option('share', canaryOptions.share)
      .option('share-by', canaryOptions['share-by'])
      .option('outcome-timeout', canaryOptions['outcome-timeout'])
      .option('promote-if', canaryOptions['promote-if'])
      .option('after', canaryOptions.after)
      .option('confidence', canaryOptions.confidence)
      .option('json', jsonOption)
      .epilogue('If MTL_TOKEN is set, requests need the header Authorization: Bearer TOKEN.')
      .epilogue('SIGTERM and SIGINT finish pending requests, then exit.')
      .example('$0 serve runs/latest', '')
      .example('$0 serve runs/latest --follow', 'Serve a training while it runs')
      .example('$0 serve runs/channels/prod --reload --canary runs/esmm/004 --share 5', '')
      .example('$0 serve runs/esmm/003 runs/mmoe/001 --port 80 --host 0.0.0.0 --reload', ''),
  async run({ name, host, port, workers, reload, follow, reloadEvery, maxBody, maxRows, timeout, histories, ...args }) {
    const token = readToken();
    const canary = readCanaryOptions(args);
    const { screen, warn, result } = createOutput(args.json);
    const [{ serve: startServer }, { reportReady }, { waitForKernels }] = await Promise.all([
      import('../../serve.js'),
      import('../../system/ready.js'),
      import('../../engines/cpu/load-kernels.js'),
    ]);
    waitForKernels();
    return runUntilSignal(
      (signal) => screen.print(`${signal}: finishing pending requests; send it again to quit immediately`),
      async (stop) => {
        const { paths, raw, precision, tables, ignoreAlarms } = args;
        const server = await startServer({
          ...{ paths, raw, precision, tables, host, port, token, canary, ignoreAlarms, isLast: follow },
          names: name?.split(','),
          histories: histories === '' ? true : histories,
          workers: workers ?? Math.max(1, availableParallelism() - 1),
          reloadMs: follow ? Math.min(MAX_FOLLOW_MS, 1000 * reloadEvery) : reload ? 1000 * reloadEvery : undefined,
          limits: { bytes: maxBody * 2 ** 20, rows: maxRows },
          timeoutMs: 1000 * timeout,
          // Not deduplicated: a repeated warning may matter hours later.
          onWarning: (text) => screen.print(printable(text)),
          onBug: (text) => void process.stderr.write(`This is a bug in mtl, please report it:\n${printable(text)}\n`),
        });
        const models = server.models.map(({ name: model, version, checkpoint }) => ({
          name: model,
          version,
          checkpoint,
        }));
        for (const { name: model, version, checkpoint } of models)
          screen.print(`${model}, version ${version}: ${checkpoint}`);
        screen.print(`listening at ${server.url}${token === undefined ? '' : `; requests need the token in ${TOKEN}`}`);
        reportReady();
        if (token === undefined && !isLoopback(host))
          warn(`anyone who can reach ${host} can send requests; set ${TOKEN} to require a token`);
        result({ url: server.url, models });
        if (!stop.signal.aborted) await once(stop.signal, 'abort');
        await server.drain();
        return EXIT_CODES.done;
      },
    );
  },
});
