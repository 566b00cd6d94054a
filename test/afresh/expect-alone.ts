import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { userCache } from '../../src/system/user-cache.js';

/** Whether nothing is left of 2-leaves.case.ts, in what others load either. */
export function expectAlone(): void {
  expect(process.cwd()).toBe(join(import.meta.dirname, '..', '..'));
  expect(Object.keys(process.env).filter((name) => name.startsWith('LEFT_'))).toEqual([]);
  expect(process.env['HOME']).not.toBe('/left');
  expect([Object.hasOwn(globalThis, 'left'), vi.isFakeTimers()]).toEqual([false, false]);
  vi.stubEnv('XDG_CACHE_HOME', '');
  expect(userCache()).toBe(join(homedir(), '.cache'));
}
