import { jsonOption, kernelsOption, rawOption, whole, wholeOrNone } from '../options.js';
import { defineCommand } from './command.js';

export const serve = defineCommand({
  usage: 'serve <paths..>',
  summary: 'answer requests for predictions over HTTP',
  options: (y) =>
    y
      .positional('paths', { type: 'string', array: true, demandOption: true, describe: 'run folders or checkpoints; of a run, the best one' })
      .option('name', { type: 'string', requiresArg: true, describe: 'names of the models in the same order, with commas; those of their configs where it is left out' })
      .option('port', whole('--port', 8080, 'to listen at; 0 for any that is free', 65_535, 0))
      .option('host', { type: 'string', requiresArg: true, default: '127.0.0.1', describe: 'address to listen at; 0.0.0.0 for all of this machine' })
      .option('workers', wholeOrNone('--workers', 'threads that predict, of each model; one fewer than cores where it is left out', 64))
      .option('kernels', kernelsOption)
      .option('reload', { type: 'boolean', default: false, describe: 'take newer checkpoints as they come, without losing a request' })
      .option('reload-every', whole('--reload-every', 10, 'with --reload: seconds from one look to the next', 86_400))
      .option('max-body', whole('--max-body', 16, 'megabytes of a request', 1024))
      .option('max-rows', whole('--max-rows', 10_000, 'rows of a request', 10_000_000))
      .option('timeout', whole('--timeout', 30, 'seconds that a request may take', 3600))
      .option('raw', rawOption)
      .option('json', jsonOption)
      .epilogue('With MTL_TOKEN in the environment, requests have to bring it: Authorization: Bearer TOKEN. The first SIGTERM or SIGINT answers what was asked and ends.')
      .example('$0 serve runs/latest', '')
      .example('$0 serve runs/esmm/003 runs/mmoe/001 --port 80 --host 0.0.0.0 --reload', ''),
  async run({ paths, name, host, port, workers, reload, reloadEvery, maxBody, maxRows, timeout, raw, json }) {
    const { runServe } = await import('../serve-command.js');
    return runServe({ paths, name, host, port, workers, reload, reloadEvery, maxBody, maxRows, timeout, raw, json });
  },
});
