/** @module-tag long */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LOG, openRunLog } from '../../src/runs/run-log.js';
import { scratchFolder } from '../support/scratch.js';

const REQUEST = {
  source: 'name: x\n',
  config: 'name: x\n',
  overrides: [],
  engine: { name: 'none', description: 'none' },
};
/** More tries than anything makes: then the disk writes again, so that no test goes on for ever. */
const MAX_TRIES = 60;

/** Has the first writes of a log be told to come again later; counts them. */
function busyFor(tries: number, code = 'EAGAIN'): { readonly numTries: number } {
  const counted = { numTries: 0 };
  const write = fs.writeSync;
  vi.spyOn(fs, 'writeSync').mockImplementation((...args) => {
    if (++counted.numTries <= tries)
      throw Object.assign(new Error(`${code}: resource temporarily unavailable, write`), {
        code,
        errno: -11,
        syscall: 'write',
      });
    return (write as (...all: unknown[]) => number)(...args);
  });
  syncBuiltinESMExports();
  return counted;
}
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

describe('a log whose file is temporarily busy (EAGAIN)', () => {
  it('is written once the file accepts bytes, each line once', async () => {
    const run = scratchFolder();
    const log = await openRunLog(run, REQUEST, { metricsBytes: 0 }, true);
    log.event('first', { at: 1 });
    busyFor(3);
    log.event('second', { at: 2 });
    const lines = fs
      .readFileSync(join(run, LOG), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual([
      { level: 30, time: expect.any(String) as string, event: 'first', at: 1 },
      { level: 30, time: expect.any(String) as string, event: 'second', at: 2 },
    ]);
  });

  it.each(['EAGAIN', 'EBUSY'])(
    'ends the run with code 5, the file and the operation when it stays so (%s)',
    async (code) => {
      const run = scratchFolder();
      const log = await openRunLog(run, REQUEST, { metricsBytes: 0 }, true);
      const counted = busyFor(MAX_TRIES, code);
      const error = ((): unknown => {
        try {
          return log.event('lost', {});
        } catch (caught) {
          return caught;
        }
      })();
      expect(counted.numTries).toBeLessThan(10);
      expect(error).toMatchObject({
        exitCode: 5,
        message:
          `${join(run, LOG)}: cannot write the file: it was busy at all ${counted.numTries} attempts (${code}); ` +
          'choose another directory or check its file system',
      });
    },
  );
});
