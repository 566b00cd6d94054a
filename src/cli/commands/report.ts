import { jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const report = defineCommand({
  usage: 'report <runs..>',
  summary: 'Render one run, or a comparison of several, as an HTML report',
  options: (y) =>
    y
      .positional('runs', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Run directories, as in runs/latest',
      })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'Output file; default: report.html in the run directory, or in the current one for several runs',
      })
      .option('json', jsonOption)
      .example('$0 report runs/latest', '')
      .example('$0 report runs/esmm/001 runs/mmoe/001 --out compared.html', ''),
  async run({ runs, out, json }) {
    const { runReport } = await import('../report-command.js');
    return runReport({ runs, out, json });
  },
});
