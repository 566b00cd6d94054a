import type * as os from 'node:os';
import { tmpdir } from 'node:os';
import { expect, it, vi } from 'vitest';
import { userCache } from '../../src/system/user-cache.js';

vi.mock('node:os', async (original) => ({ ...(await original<typeof os>()), homedir: () => '/mocked' }));

it('finds its mock in modules that others have loaded', () => {
  vi.stubEnv('XDG_CACHE_HOME', '');
  expect(userCache()).toBe('/mocked/.cache');
});

it('leaves what it can', () => {
  process.chdir(tmpdir());
  process.env['LEFT_BY_HAND'] = '1';
  process.env['HOME'] = '/left';
  vi.stubEnv('LEFT_BY_HAND', '2');
  vi.stubEnv('LEFT_BY_STUB', '1');
  vi.stubGlobal('left', 1);
  vi.useFakeTimers();
});
