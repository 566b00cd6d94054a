import { chmodSync, existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isProven } from '../../src/engines/cpu/native/find.js';
import { scratchFile } from '../support/scratch.js';

/** Counts the bitwise checks of an addon. */
function counted(
  path: string,
  holds = true,
): { readonly times: () => number; readonly ask: (family?: string, wasm?: string) => boolean } {
  let times = 0;
  const prove = (): boolean => {
    times++;
    return holds;
  };
  return {
    times: () => times,
    ask: (family = 'avx2', wasm = 'kernels') => isProven(path, family, Buffer.from(wasm), prove),
  };
}

describe('the bitwise check of an addon', () => {
  it('runs once per addon, processor family and kernel bytes', () => {
    const path = scratchFile('kernels.node', 'an addon');
    const { times, ask } = counted(path);
    expect([ask(), ask(), times()]).toEqual([true, true, 1]);
    expect([ask('avx512'), ask('avx512'), times()]).toEqual([true, true, 2]);
    expect([ask('avx2', 'others'), ask('avx2', 'others'), ask(), times()]).toEqual([true, true, true, 3]);
  });

  it('runs again if the addon is replaced', () => {
    const path = scratchFile('kernels.node', 'an addon');
    const { times, ask } = counted(path);
    ask();
    utimesSync(path, 1, 1);
    expect([ask(), times()]).toEqual([true, 2]);
    writeFileSync(path, 'one that is longer');
    utimesSync(path, 1, 1);
    expect([ask(), ask(), times()]).toEqual([true, true, 3]);
  });

  it('runs each time after a failure', () => {
    const { times, ask } = counted(scratchFile('kernels.node', 'an addon'), false);
    expect([ask(), ask(), times()]).toEqual([false, false, 2]);
  });

  it('runs each time if results cannot be stored', ({ skip }) => {
    const path = scratchFile('kernels.node', 'an addon');
    chmodSync(dirname(path), 0o500);
    try {
      writeFileSync(`${path}.tried`, '');
    } catch {
      const { times, ask } = counted(path);
      expect([ask(), ask(), times()]).toEqual([true, true, 2]);
    } finally {
      chmodSync(dirname(path), 0o700);
    }
    if (!existsSync(`${path}.tried`)) return;
    rmSync(`${path}.tried`);
    skip('this user may write anywhere');
  });
});
