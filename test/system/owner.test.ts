import os from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';
import { hasExited, thisProcess } from '../../src/system/owner.js';

afterEach(() => vi.restoreAllMocks());

it('a process without an identity that started before the machine has exited, although its id is in use', () => {
  vi.spyOn(os, 'uptime').mockReturnValue(3600);
  const started = (minutesAgo: number, process: string | null) => {
    const startedAt = new Date(Date.now() - minutesAgo * 60_000).toISOString();
    return hasExited({ ...thisProcess(), startedAt, process });
  };
  expect([started(120, null), started(30, null)]).toEqual([true, false]);
  // An identity decides, since the clock may have been set after the start.
  expect(started(120, thisProcess().process)).toBe(thisProcess().process === null);
});
