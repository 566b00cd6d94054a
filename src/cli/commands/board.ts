import { once } from 'node:events';
import { EXIT_CODES, printable } from '../../core/errors.js';
import { runsRoot } from '../../runs/runs-root.js';
import { isLoopback } from '../loopback.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import { intOption, jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const board = defineCommand({
  usage: 'board [runs]',
  summary: 'Show live runs, studies and comparisons in a browser',
  options: (y) =>
    y
      .positional('runs', { type: 'string', describe: 'Directory of runs; default: that of mtl runs' })
      .option('port', intOption('--port', 8090, 'TCP port; 0 picks a free one', 65_535, 0))
      .option('host', {
        type: 'string',
        requiresArg: true,
        default: '127.0.0.1',
        describe: 'Address to listen on; 0.0.0.0 for all interfaces',
      })
      .option('json', jsonOption)
      .epilogue('The server only reads run directories. It has no access control: keep it on a local address.')
      .example('$0 board', '')
      .example('$0 board /data/runs --port 9000', ''),
  async run({ runs, host, port, json }) {
    const { board: serveBoard } = await import('../../board.js');
    const { screen, warn, result } = createOutput(json);
    return runUntilSignal(
      () => undefined,
      async ({ signal }) => {
        const { url, close } = await serveBoard({
          root: runs ?? runsRoot(),
          host,
          port,
          onBug: (text) => void process.stderr.write(`This is a bug in mtl, please report it:\n${printable(text)}\n`),
        });
        screen.print(`open ${url} in a browser; Ctrl-C ends it`);
        if (!isLoopback(host)) warn(`anyone who can reach ${host} can see the runs`);
        result({ url });
        if (!signal.aborted) await once(signal, 'abort');
        await close();
        return EXIT_CODES.done;
      },
    );
  },
});
