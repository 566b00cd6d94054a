import { availableParallelism } from 'node:os';
import { live } from '../live.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { duration } from '../text/number-text.js';
import { listCanaryArguments, readCanaryOptions, type CanaryArguments } from './canary-options.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';
import { MTL } from '../system/command-name.js';

export interface LiveArguments extends Omit<CanaryArguments, 'after' | 'confidence'> {
  readonly config: string;
  readonly set: readonly string[];
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly workers: number | undefined;
  readonly threads: number | undefined;
  readonly ignoreAlarms: boolean;
}

/**
 * Runs `mtl live` until a signal ends it. Returns the exit code.
 * @throws UserError (usage) for invalid options, (checkpoint) if the second model cannot be found
 */
export async function runLive({
  host,
  port,
  workers,
  threads,
  ignoreAlarms,
  ...options
}: LiveArguments): Promise<number> {
  checkCanary(options);
  const { screen } = createOutput(false);
  // For the processes that train and serve.
  (await import('../engines/cpu/load-kernels.js')).waitForKernels();
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
          ...(ignoreAlarms ? ['--ignore-alarms'] : []),
          ...listCanaryArguments(options),
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

/** Reports now what the server would report after the first checkpoint. */
function checkCanary(options: Omit<CanaryArguments, 'after' | 'confidence'>): void {
  const { promoteIf } = options;
  if (promoteIf !== undefined)
    throw userError('usage', {
      where: `--promote-if ${promoteIf}`,
      message: 'requires a channel, and mtl live serves the run that it trains',
      fix: `decide by GET /canary, or compare finished runs: ${MTL} serve runs/channels/prod --canary RUN …`,
    });
  const canary = readCanaryOptions({ ...options, after: undefined, confidence: undefined });
  if (canary !== undefined) findCheckpoint(canary.path, ['last']);
}
