import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { monotonicMs } from '../../system/clock.js';
import { userError } from '../../core/errors.js';
import { makeWorkersFolder, type Workers } from './launcher.js';

/** Number of log lines that an error quotes. */
const LOG_TAIL_LINES = 5;
/**
 * Maximum number of consecutive restarts of a killed worker. The pauses double from 0.5 s to 64 s, about 2 minutes in
 * total.
 */
const MAX_RESTARTS = 8;
const FIRST_PAUSE_MS = 500;
/** A worker that ran this long starts a new count of consecutive restarts. */
const STEADY_MS = 600_000;

/** Waits; rejects when the signal is aborted. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<unknown>;

/**
 * Starts one process per worker, each with a log in the study's directory.
 * @param commands of the workers, program first
 * @param isRestarted whether killed workers restart
 * @param where description of their location, for messages
 * @param pause waits before a restart
 */
export async function launchProcesses(
  study: string,
  commands: readonly (readonly string[])[],
  isRestarted: boolean,
  where: string,
  pause: Pause = (ms, signal) => setTimeout(ms, undefined, { signal }),
): Promise<Workers> {
  const logs = await makeWorkersFolder(study);
  const workers = new WorkerProcesses(logs, isRestarted, pause);
  commands.forEach((command, i) => workers.start(i + 1, command));
  return {
    where: `${where}; logs in ${logs}`,
    areAlive: () => workers.areAlive(),
    stop: () => workers.stop(),
  };
}

class WorkerProcesses {
  readonly #logs: string;
  readonly #isRestarted: boolean;
  readonly #pause: Pause;
  readonly #running = new Set<ChildProcess>();
  readonly #failed: { readonly log: string; readonly reason: string }[] = [];
  readonly #stopping = new AbortController();
  /** Number of workers waiting to restart. */
  #numPausing = 0;

  constructor(logs: string, isRestarted: boolean, pause: Pause) {
    [this.#logs, this.#isRestarted, this.#pause] = [logs, isRestarted, pause];
  }

  start(worker: number, command: readonly string[], restarts = 0): void {
    const [program, ...args] = command;
    const startMs = monotonicMs();
    const log = join(this.#logs, `${worker}.log`);
    const output = openSync(log, 'a');
    // A separate process group, so that only `stop` signals it on Ctrl-C: a second signal would end a worker without
    // saving. The IPC channel closes when this process exits.
    const child = spawn(program!, args, {
      stdio: ['ignore', output, output, 'ipc'],
      detached: true,
      windowsHide: true,
    });
    closeSync(output);
    this.#running.add(child);
    child.on('error', () => {
      this.#running.delete(child);
      this.#failed.push({ log, reason: 'the workers failed' });
    });
    child.on('close', (code, signal) => {
      this.#running.delete(child);
      if (this.#stopping.signal.aborted || code === 0) return;
      const consecutive = monotonicMs() - startMs < STEADY_MS ? restarts + 1 : 1;
      if (signal === null || !this.#isRestarted) this.#failed.push({ log, reason: 'the workers failed' });
      else if (consecutive > MAX_RESTARTS)
        this.#failed.push({ log, reason: `worker ${worker} was killed by ${signal} ${consecutive} times in a row` });
      else {
        const pauseMs = FIRST_PAUSE_MS * 2 ** (consecutive - 1);
        const restart = `restart ${consecutive} of ${MAX_RESTARTS} in ${pauseMs / 1000} s`;
        appendFileSync(log, `mtl: worker ${worker} was killed by ${signal}; ${restart}\n`);
        void this.#restart(worker, command, consecutive, pauseMs);
      }
    });
  }

  async #restart(worker: number, command: readonly string[], restarts: number, pauseMs: number): Promise<void> {
    const { signal } = this.#stopping;
    this.#numPausing++;
    await this.#pause(pauseMs, signal).catch(() => undefined);
    this.#numPausing--;
    if (!signal.aborted) this.start(worker, command, restarts);
  }

  areAlive(): Promise<boolean> {
    if (this.#running.size + this.#numPausing > 0) return Promise.resolve(true);
    const [first] = this.#failed;
    if (first === undefined) return Promise.resolve(false);
    const { log, reason } = first;
    const logTail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    return Promise.reject(
      userError('usage', {
        where: log,
        message: `${reason}; end of this log: ${logTail}`,
        fix: 'fix the error and run the same mtl sweep again to resume',
      }),
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const ending = [...this.#running].map((child) => once(child, 'close'));
    for (const child of this.#running) stopGroup(child);
    await Promise.all(ending);
  }
}

/** Signals a process and its descendants to exit. Without process groups (Windows), ends the process itself. */
function stopGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGTERM');
  } catch {
    // Does nothing if it exited in the meantime.
    child.kill('SIGTERM');
  }
}
