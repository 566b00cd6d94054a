import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, onDisk } from '../../disk.js';
import { userError } from '../../errors.js';
import { defineLauncher, type Workers, type WorkersRequest } from './launcher.js';

/** Of what a worker said last, so many lines are told. */
const LAST_LINES = 5;

/** Processes of this machine. One that is killed is started again. */
export const local = defineLauncher({
  name: 'local',
  summary: 'Processes of this machine',
  options: {},
  isHere: true,
  build: () => ({ launch }),
});

async function launch({ study, count, command }: WorkersRequest): Promise<Workers> {
  const logs = join(study, 'workers');
  await onDisk(logs, () => makeFolder(logs));
  const running = new Map<number, ChildProcess>();
  const failed: string[] = [];
  let isStopping = false;
  const start = (worker: number): void => {
    const log = join(logs, `${worker}.log`);
    const output = openSync(log, 'a');
    // In a group of its own, so that Ctrl-C is told by `stop` alone: a second signal would end a worker without saving. By the channel it
    // hears when this process is gone.
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', output, output, 'ipc'], detached: true });
    closeSync(output);
    running.set(worker, child);
    child.on('error', () => undefined);
    child.on('close', (code, signal) => {
      running.delete(worker);
      if (isStopping || code === 0) return;
      if (signal !== null) start(worker);
      else failed.push(log);
    });
  };
  for (let worker = 1; worker <= count; worker++) start(worker);
  return {
    where: `${count === 1 ? 'one worker' : `${count} workers`} on this machine, pids ${[...running.values()].map(({ pid }) => pid).join(', ')}; they write to ${logs}`,
    areAlive() {
      if (running.size > 0) return Promise.resolve(true);
      const [log] = failed;
      if (log === undefined) return Promise.resolve(false);
      const said = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
      return Promise.reject(userError('usage', { where: log, message: `the workers have ended with an error; the last words of this one: ${said}`, fix: 'mend that and start the study again; it goes on' }));
    },
    async stop() {
      isStopping = true;
      const ending = [...running.values()].map((child) => once(child, 'close'));
      for (const child of running.values()) child.kill('SIGTERM');
      await Promise.all(ending);
    },
  };
}
