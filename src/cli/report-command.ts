import { EXIT_CODES } from '../core/errors.js';
import { report, type ReportOptions } from '../report.js';
import { shareLine } from './format.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';
import { readToken } from './token.js';

export interface ReportArguments
  extends
    Pick<ReportOptions, 'runs' | 'out'>,
    Pick<NonNullable<ReportOptions['predict']>, 'limit' | 'verifyData' | 'device' | 'threads'> {
  /** Whether to compare recorded metrics, without predicting rows again. */
  readonly isRecorded: boolean;
  /** Address of a server that compares a run. */
  readonly live: string | undefined;
  readonly json: boolean;
}

/** Runs `mtl report` and prints the path of the page. Returns the exit code. */
export async function runReport({ runs, out, isRecorded, live, json, ...options }: ReportArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  return runUntilSignal(
    (signal) => warn(`${signal}: stopping`),
    async ({ signal }) => {
      const predict = {
        ...options,
        onWarning: warn,
        onProgress: ({ what, share }: { readonly what: string; readonly share: number }) =>
          screen.live(() => shareLine(what, share)),
        signal,
      };
      const server = live === undefined ? undefined : { url: live, token: readToken() };
      const path = await report({ runs, out, server, signal, predict: isRecorded ? undefined : predict });
      screen.print(`written to ${path}`);
      result({ runs, report: path });
      return EXIT_CODES.done;
    },
  );
}
