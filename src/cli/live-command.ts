import { availableParallelism } from 'node:os';
import { live } from '../live.js';
import { EXIT_CODES } from '../core/errors.js';
import { duration } from '../text/number-text.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';

export interface LiveArguments {
  readonly config: string;
  readonly set: readonly string[];
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly workers: number | undefined;
  readonly threads: number | undefined;
}

/** Runs `mtl live` until a signal ends it. Returns the exit code. */
export async function runLive({ host, port, workers, threads, ...options }: LiveArguments): Promise<number> {
  const { screen } = createOutput(false);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: stopping both; send it again to quit immediately`),
    async (stop) => {
      const code = await live({
        ...options,
        // The program, its flags, and the script that started this process.
        mtl: [process.execPath, ...process.execArgv, process.argv[1]!],
        // Requests that wait for a core that trains would be late.
        trainArgs: ['--threads', String(threads ?? Math.max(1, availableParallelism() - 1))],
        serveArgs: [
          ...['--host', host, '--port', String(port)],
          ...(workers === undefined ? [] : ['--workers', String(workers)]),
        ],
        signal: stop.signal,
        onLine: (name, line) => screen.print(`${name.padEnd(5)} | ${line}`),
        onRestart: (name, reason, pauseMs) =>
          screen.print(`${name.padEnd(5)} | ${reason}; starts again in ${duration(pauseMs)}`),
      });
      return stop.received === undefined ? code : EXIT_CODES[stop.received];
    },
  );
}
