import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { monotonicMs } from '../../system/clock.js';
import { makeFolder, onDisk } from '../../io/disk.js';
import { userError } from '../../core/errors.js';
import type { Workers } from './launcher.js';

/** Of what a worker said last, so many lines are told. */
const LAST_LINES = 5;
/**
 * Restarts in a row of a worker that is killed each time; the pauses before them double from 0.5 s to 64 s, about 2
 * minutes in all.
 */
const MAX_RESTARTS = 8;
const FIRST_PAUSE_MS = 500;
/** A worker that was killed after so long was not killed in a row. */
const STEADY_MS = 600_000;

/** Waits so many ms, or until the signal is aborted; then it throws. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<unknown>;

/**
 * Starts a process a worker, each with a log in the study's folder.
 * @param commands what each is called with, the program first
 * @param isRestarted whether one that is killed is started again
 * @param where they are, for people
 * @param pause before a restart
 */
export async function launchProcesses(
  study: string,
  commands: readonly (readonly string[])[],
  isRestarted: boolean,
  where: string,
  pause: Pause = (ms, signal) => setTimeout(ms, undefined, { signal }),
): Promise<Workers> {
  const logs = join(study, 'workers');
  await onDisk(logs, () => makeFolder(logs));
  const running = new Set<ChildProcess>();
  const failed: { readonly log: string; readonly how: string }[] = [];
  const stopping = new AbortController();
  /** Workers that wait to be started again. */
  let numPausing = 0;
  const restart = async (worker: number, command: readonly string[], restarts: number): Promise<void> => {
    numPausing++;
    await pause(FIRST_PAUSE_MS * 2 ** (restarts - 1), stopping.signal).catch(() => undefined);
    numPausing--;
    if (!stopping.signal.aborted) start(worker, command, restarts);
  };
  const start = (worker: number, [program, ...args]: readonly string[], restarts = 0): void => {
    const startMs = monotonicMs();
    const log = join(logs, `${worker}.log`);
    const output = openSync(log, 'a');
    // In a group of its own, so that Ctrl-C is told by `stop` alone: a second signal would end a worker without saving.
    // By the channel it
    // hears when this process is gone.
    const child = spawn(program!, args, { stdio: ['ignore', output, output, 'ipc'], detached: true });
    closeSync(output);
    running.add(child);
    child.on('error', () => {
      running.delete(child);
      failed.push({ log, how: 'the workers have ended with an error' });
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (stopping.signal.aborted || code === 0) return;
      const inRow = monotonicMs() - startMs < STEADY_MS ? restarts + 1 : 1;
      if (signal === null || !isRestarted) failed.push({ log, how: 'the workers have ended with an error' });
      else if (inRow > MAX_RESTARTS)
        failed.push({ log, how: `worker ${worker} was killed by ${signal} ${inRow} times in a row` });
      else {
        appendFileSync(
          log,
          `mtl: worker ${worker} was killed by ${signal}; restart ${inRow} of ${MAX_RESTARTS} in ${(FIRST_PAUSE_MS * 2 ** (inRow - 1)) / 1000} s\n`,
        );
        void restart(worker, [program!, ...args], inRow);
      }
    });
  };
  commands.forEach((command, i) => start(i + 1, command));
  return {
    where: `${where}; they write to ${logs}`,
    areAlive() {
      if (running.size + numPausing > 0) return Promise.resolve(true);
      const [first] = failed;
      if (first === undefined) return Promise.resolve(false);
      const { log, how } = first;
      const said = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
      return Promise.reject(
        userError('usage', {
          where: log,
          message: `${how}; the last words of this one: ${said}`,
          fix: 'mend that and start the study again; it goes on',
        }),
      );
    },
    async stop() {
      stopping.abort();
      const ending = [...running].map((child) => once(child, 'close'));
      for (const child of running) if (child.pid !== undefined) killGroup(child.pid);
      await Promise.all(ending);
    },
  };
}

/** Asks a process, and those that it has started, to end. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended meanwhile.
  }
}
