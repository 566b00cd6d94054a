import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { launchProcesses } from '../../src/study/launchers/processes.js';
import { UserError } from '../../src/core/errors.js';
import { scratchFolder } from '../support/scratch.js';

const KILLED = ['sh', '-c', 'echo begins; kill -9 $$'];
const logOf = (study: string): string => readFileSync(join(study, 'workers', '1.log'), 'utf8');

/** What the workers come to when none is alive any more. */
function endOf(workers: Awaited<ReturnType<typeof launchProcesses>>): Promise<unknown> {
  return vi.waitFor(
    async () => {
      const end = await workers.areAlive().catch((error: unknown) => error);
      if (end === true) throw new Error('they go on');
      return end;
    },
    { timeout: 50_000, interval: 20 },
  );
}

describe('a worker that is killed repeatedly', () => {
  it('restarts after growing pauses, and is finally reported with its signal', async () => {
    const study = scratchFolder();
    const pauses: number[] = [];
    const workers = await launchProcesses(study, [KILLED], true, 'here', (ms) => Promise.resolve(pauses.push(ms)));
    const error = await endOf(workers);
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000]);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(
      /1\.log: worker 1 was killed by SIGKILL 9 times in a row; end of this log: [^]*begins; fix the error and run the same mtl sweep again to resume$/,
    );
    expect(
      logOf(study)
        .split('\n')
        .filter((line) => line.startsWith('mtl: '))
        .slice(0, 2),
    ).toEqual([
      'mtl: worker 1 was killed by SIGKILL; restart 1 of 8 in 0.5 s',
      'mtl: worker 1 was killed by SIGKILL; restart 2 of 8 in 1 s',
    ]);
    expect(
      logOf(study)
        .split('\n')
        .filter((line) => line === 'begins'),
    ).toHaveLength(9);
  });

  it('counts as alive while it waits, and does not restart once the study stops', async () => {
    const study = scratchFolder();
    const signals: AbortSignal[] = [];
    const workers = await launchProcesses(
      study,
      [KILLED],
      true,
      'here',
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signals.push(signal);
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        }),
    );
    await vi.waitFor(() => expect(signals).toHaveLength(1), { timeout: 50_000 });
    expect(await workers.areAlive()).toBe(true);
    await workers.stop();
    expect(await endOf(workers)).toBe(false);
    expect(logOf(study).match(/begins/g)).toHaveLength(1);
  });

  it('ends the study at once if it exits with an error', async () => {
    const workers = await launchProcesses(scratchFolder(), [['sh', '-c', 'echo no data; exit 3']], true, 'here', () =>
      Promise.reject(new Error('paused')),
    );
    expect(((await endOf(workers)) as Error).message).toMatch(
      /the workers failed; end of this log: no data; fix the error/,
    );
  });
});

it('workers end with the study on a system without process groups, as Windows', async () => {
  const kill = process.kill.bind(process);
  const killing = vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
    if (pid < 0) throw Object.assign(new Error('no such process'), { code: 'ESRCH' });
    return kill(pid, signal);
  });
  try {
    const workers = await launchProcesses(scratchFolder(), [['sleep', '600']], true, 'here');
    expect(await workers.areAlive()).toBe(true);
    await workers.stop();
    expect(await workers.areAlive()).toBe(false);
    expect(killing).toHaveBeenCalledWith(
      expect.toSatisfy((pid: number) => pid < 0),
      'SIGTERM',
    );
  } finally {
    killing.mockRestore();
  }
});
