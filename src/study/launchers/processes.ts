import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, onDisk } from '../../disk.js';
import { userError } from '../../errors.js';
import type { Workers } from './launcher.js';

/** Of what a worker said last, so many lines are told. */
const LAST_LINES = 5;

/**
 * Starts a process a worker, each with a log in the study's folder.
 * @param commands what each is called with, the program first
 * @param isRestarted whether one that is killed is started again
 * @param where they are, for people
 */
export async function launchProcesses(study: string, commands: readonly (readonly string[])[], isRestarted: boolean, where: string): Promise<Workers> {
  const logs = join(study, 'workers');
  await onDisk(logs, () => makeFolder(logs));
  const running = new Set<ChildProcess>();
  const failed: string[] = [];
  let isStopping = false;
  const start = (worker: number, [program, ...args]: readonly string[]): void => {
    const log = join(logs, `${worker}.log`);
    const output = openSync(log, 'a');
    // In a group of its own, so that Ctrl-C is told by `stop` alone: a second signal would end a worker without saving. By the channel it
    // hears when this process is gone.
    const child = spawn(program!, args, { stdio: ['ignore', output, output, 'ipc'], detached: true });
    closeSync(output);
    running.add(child);
    child.on('error', () => {
      running.delete(child);
      failed.push(log);
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (isStopping || code === 0) return;
      if (signal !== null && isRestarted) start(worker, [program!, ...args]);
      else failed.push(log);
    });
  };
  commands.forEach((command, i) => start(i + 1, command));
  return {
    where: `${where}; they write to ${logs}`,
    areAlive() {
      if (running.size > 0) return Promise.resolve(true);
      const [log] = failed;
      if (log === undefined) return Promise.resolve(false);
      const said = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
      return Promise.reject(userError('usage', { where: log, message: `the workers have ended with an error; the last words of this one: ${said}`, fix: 'mend that and start the study again; it goes on' }));
    },
    async stop() {
      isStopping = true;
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
