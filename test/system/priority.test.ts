import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { lowerPriority } from '../../src/system/priority.js';
import { startThread } from '../../src/system/thread.js';

/** Returns the nice value of each thread of a process. */
function niceValues(pid: number | 'self' = 'self'): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    // The name of a thread, in parentheses, may contain spaces; nice is field 19 of all, 17 of those after it.
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

it.skipIf(!existsSync('/proc/thread-self'))('lets other threads go before the one that writes tables', async () => {
  const lower = (): number => niceValues().filter((nice) => nice === 10).length;
  const before = lower();
  const spec = { stored: { program: { weights: new Map() } }, tables: [], tokens: new Map(), raw: false };
  const thread = startThread('serve/table-worker', spec);
  await thread.ask(undefined);
  expect(lower()).toBe(before + 1);
  await thread.close();
});

it.skipIf(!existsSync('/proc/self/stat'))('gives a background process nice 10', () => {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  lowerPriority(child.pid!);
  expect(niceValues(child.pid)).toEqual([10]);
});
