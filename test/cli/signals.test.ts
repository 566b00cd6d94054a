import { expect, it } from 'vitest';
import { runUntilSignal } from '../../src/cli/signals.js';

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGBREAK', 149],
] as const)('%s aborts the work, which ends with code %i, and leaves no listener', async (name, code) => {
  const listeners = process.listenerCount(name);
  const seen: string[] = [];
  const exitCode = await runUntilSignal(
    (signal) => seen.push(signal),
    ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        process.emit(name, name);
      }),
  );
  expect([exitCode, seen, process.listenerCount(name)]).toEqual([code, [name], listeners]);
});
