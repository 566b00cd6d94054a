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
  async run(options) {
    const { runBoard } = await import('../board-command.js');
    return runBoard(options);
  },
});
