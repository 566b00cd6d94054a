import { EXIT_CODES } from '../../core/errors.js';
import { shareLine } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import { readToken } from '../token.js';
import { deviceOption, intOption, jsonOption, kernelsOption, threadsOption, verifyDataOption } from '../options.js';
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
      .option('rows', intOption('--rows', 1_000_000, 'Maximum number of rows to pair, sampled from all'))
      .option('use-recorded', { type: 'boolean', describe: 'Compare recorded metrics; no paired rows' })
      .option('live', {
        type: 'string',
        requiresArg: true,
        describe: 'Address of a server that compares the run, as in http://127.0.0.1:8080',
      })
      .option('verify-data', verifyDataOption)
      .option('device', deviceOption)
      .option('kernels', kernelsOption)
      .option('threads', threadsOption)
      .option('json', jsonOption)
      .example('$0 report runs/latest', '')
      .example('$0 report runs/esmm/004 --live http://127.0.0.1:8080', 'With the state of its canary')
      .example('$0 report runs/esmm/001 runs/mmoe/001 --out compared.html', ''),
  async run({ runs, out, rows, useRecorded, live, verifyData, device, threads, json }) {
    const { report: writeReport } = await import('../../report.js');
    const { screen, warn, result } = createOutput(json);
    return runUntilSignal(
      (signal) => warn(`${signal}: stopping`),
      async ({ signal }) => {
        const predict = {
          limit: rows,
          verifyData,
          device,
          threads,
          onWarning: warn,
          onProgress: ({ what, share }: { readonly what: string; readonly share: number }) =>
            screen.live(() => shareLine(what, share)),
          signal,
        };
        const server = live === undefined ? undefined : { url: live, token: readToken() };
        const path = await writeReport({
          runs,
          out,
          server,
          signal,
          predict: useRecorded === true ? undefined : predict,
        });
        screen.print(`written to ${path}`);
        result({ runs, report: path });
        return EXIT_CODES.done;
      },
    );
  },
});
