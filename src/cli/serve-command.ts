import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { EXIT_CODES, printable } from '../core/errors.js';
import type { PredictionPrecision } from '../engines/precision.js';
import { serve } from '../serve.js';
import { reportReady } from '../system/ready.js';
import type { TableFormat } from '../tables/row-formats.js';
import { readCanaryOptions, type CanaryArguments } from './canary-options.js';
import { isLoopback } from './loopback.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';
import { readToken, TOKEN } from './token.js';

export interface ServeArguments extends CanaryArguments {
  readonly paths: readonly string[];
  /** Comma-separated names. */
  readonly name: string | undefined;
  readonly host: string;
  readonly port: number;
  /** Undefined means all cores but one, which HTTP uses. */
  readonly workers: number | undefined;
  readonly reload: boolean;
  readonly follow: boolean;
  readonly ignoreAlarms: boolean;
  readonly reloadEvery: number;
  readonly maxBody: number;
  readonly maxRows: number;
  readonly timeout: number;
  /** Empty for the files of the config. */
  readonly histories: string | undefined;
  readonly raw: boolean;
  readonly precision: PredictionPrecision;
  readonly tables: TableFormat;
  readonly json: boolean;
}

/** Maximum polling interval of a running training, if the file system reports no changes. */
const MAX_FOLLOW_MS = 500;

/** Runs `mtl serve` until a signal ends it. Returns the exit code. */
export async function runServe({
  paths,
  name,
  host,
  port,
  workers,
  reload,
  follow,
  ignoreAlarms,
  reloadEvery,
  maxBody,
  maxRows,
  timeout,
  histories,
  raw,
  precision,
  tables,
  json,
  ...canary
}: ServeArguments): Promise<number> {
  const token = readToken();
  const canaryOptions = readCanaryOptions(canary);
  const { screen, warn, result } = createOutput(json);
  (await import('../engines/cpu/load-kernels.js')).waitForKernels();
  return runUntilSignal(
    (signal) => screen.print(`${signal}: finishing pending requests; send it again to quit immediately`),
    async (stop) => {
      const server = await serve({
        paths,
        names: name?.split(','),
        raw,
        precision,
        tables,
        histories: histories === '' ? true : histories,
        host,
        port,
        token,
        workers: workers ?? Math.max(1, availableParallelism() - 1),
        isLast: follow,
        ignoreAlarms,
        reloadMs: follow ? Math.min(MAX_FOLLOW_MS, 1000 * reloadEvery) : reload ? 1000 * reloadEvery : undefined,
        canary: canaryOptions,
        limits: { bytes: maxBody * 2 ** 20, rows: maxRows },
        timeoutMs: 1000 * timeout,
        // Not deduplicated: a repeated warning may matter hours later.
        onWarning: (text) => screen.print(printable(text)),
        onBug: (text) => void process.stderr.write(`This is a bug in mtl, please report it:\n${printable(text)}\n`),
      });
      for (const { name: model, version, checkpoint } of server.models)
        screen.print(`${model}, version ${version}: ${checkpoint}`);
      screen.print(`listening at ${server.url}${token === undefined ? '' : `; requests need the token in ${TOKEN}`}`);
      reportReady();
      if (token === undefined && !isLoopback(host))
        warn(`anyone who can reach ${host} can send requests; set ${TOKEN} to require a token`);
      result({
        url: server.url,
        models: server.models.map(({ name: model, version, checkpoint }) => ({ name: model, version, checkpoint })),
      });
      if (!stop.signal.aborted) await once(stop.signal, 'abort');
      await server.drain();
      return EXIT_CODES.done;
    },
  );
}
