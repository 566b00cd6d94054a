import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { loadConfig } from './config/load.js';
import { parseOverride } from './config/overrides.js';
import { EXIT_CODES } from './core/errors.js';
import { supervise, type Supervision } from './live/supervise.js';
import { checkpointsFolder } from './runs/retention.js';
import { namedFolder } from './runs/run-folder.js';

export interface LiveOptions extends Omit<Supervision, 'signal'> {
  /** Path of the config. */
  readonly config: string;
  /** Overrides of the config. */
  readonly set: readonly string[];
  /** Name of the run, which is resumed if it exists. */
  readonly name: string;
  /** Program and first arguments that start mtl. */
  readonly mtl: readonly string[];
  /** Further arguments of `mtl train` and of `mtl serve`. */
  readonly trainArgs: readonly string[];
  readonly serveArgs: readonly string[];
  readonly signal: AbortSignal;
}

/** Time between two looks for the first checkpoint. */
const POLL_MS = 200;

/**
 * Trains on the stream of a config and serves the newest weights, in two processes that are started again when they
 * end. The server keeps answering while training is down. Ends when the signal is aborted, when the stream ends, or if
 * training cannot start because of the config.
 * @returns exit code of training, or the exit code of the server if it refuses its options
 * @throws UserError (config) if the config is invalid
 */
export async function live({ config, set, name, mtl, trainArgs, serveArgs, signal, ...report }: LiveOptions) {
  const { experiment } = await loadConfig(config, set.map(parseOverride));
  const run = namedFolder({ configName: experiment.name, runs: experiment.runs, name })!;
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const supervision: Supervision = { ...report, signal: stopped.signal };
  const overrides = set.flatMap((each) => ['--set', each]);
  const train = ['train', config, '--follow', '--name', name, '--resume', 'auto', '--no-report'];
  const training = supervise(
    {
      name: 'train',
      // Answers do not wait for a batch.
      isBackground: true,
      command: [...mtl, ...train, ...overrides, ...trainArgs],
      isFinal: (code) => code === EXIT_CODES.done || code === EXIT_CODES.config,
    },
    supervision,
  ).finally(stop);
  const serving = untilCheckpoint(run, stopped.signal).then((isThere) =>
    isThere ? superviseServer([...mtl, 'serve', run, '--follow', ...serveArgs], supervision) : null,
  );
  const isRefused = serving.then((code) => {
    // The server cannot start because of its options.
    if (code === EXIT_CODES.usage) stop();
    return code === EXIT_CODES.usage;
  });
  const [code] = await Promise.all([training, isRefused]);
  signal.removeEventListener('abort', stop);
  return (await isRefused) ? EXIT_CODES.usage : (code ?? EXIT_CODES.bug);
}

/** Runs the server. Options that it refuses are final, unless an earlier start has served with them. */
function superviseServer(command: readonly string[], supervision: Supervision): Promise<number | null> {
  let hasServed = false;
  return supervise(
    {
      name: 'serve',
      command,
      onReady: () => (hasServed = true),
      isFinal: (code) => code === EXIT_CODES.done || (code === EXIT_CODES.usage && !hasServed),
    },
    supervision,
  );
}

/** Waits until a run has a checkpoint; returns false if the signal is aborted before. */
async function untilCheckpoint(run: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (existsSync(join(checkpointsFolder(run), 'last'))) return true;
    await setTimeout(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
