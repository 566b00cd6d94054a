import { jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const report = defineCommand({
  usage: 'report <runs..>',
  summary: 'draw one run, or several over each other, as a page',
  options: (y) =>
    y
      .positional('runs', { type: 'string', array: true, demandOption: true, describe: 'folders of runs, as in runs/latest' })
      .option('out', { type: 'string', requiresArg: true, describe: 'the page; report.html in the folder of the run, or here where there are several' })
      .option('json', jsonOption)
      .example('$0 report runs/latest', '')
      .example('$0 report runs/esmm/001 runs/mmoe/001 --out compared.html', ''),
  async run({ runs, out, json }) {
    const { runReport } = await import('../report-command.js');
    return runReport({ runs, out, json });
  },
});
