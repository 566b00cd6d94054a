/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BIN } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld } from '../support/small-run.js';

/** Files that Node opens at start, with some margin; below, Node itself fails. */
const MIN_FILES = 19;
const MAX_FILES = 48;
/** Smaller limits are reported before anything is loaded. */
const REQUIRED_FILES = 32;

/** Runs the command with a limit on open files and without the bytecode cache. */
function limited(
  folder: string,
  files: number,
  args: readonly string[],
): { readonly status: number | null; readonly stderr: string } {
  const { status, stderr } = spawnSync(
    'bash',
    ['-c', `ulimit -n ${files}; exec "$@"`, 'bash', process.execPath, BIN, ...args],
    {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  return { status, stderr };
}

describe('a process with a low limit on open files', () => {
  it.each<[string, readonly string[]]>([
    ['train', ['train', 'esmm.yaml', '--run-dir', 'run', '--set', 'training.epochs=1', '--device', 'cpu']],
    [
      'train with several threads',
      ['train', 'mmoe.yaml', '--run-dir', 'run', '--set', 'training.epochs=1', '--device', 'cpu', '--threads', '3'],
    ],
    ['train with a thread', ['train', 'esmm.yaml', '--run-dir', 'run', '--threads', '1', '--device', 'cpu']],
    ['check', ['check', 'esmm.yaml', '--device', 'cpu']],
  ])(
    'exits with code 5 and names the limit, or succeeds: %s',
    async (command, args) => {
      const folder = scratchFolder();
      await smallWorld(folder);
      const codes = new Map<number, number | null>();
      for (let files = MIN_FILES; files <= MAX_FILES; files += 2) {
        rmSync(join(folder, 'run'), { recursive: true, force: true });
        const { status, stderr } = limited(folder, files, args);
        codes.set(files, status);
        const error =
          files < REQUIRED_FILES
            ? `error: the limit of open files is ${files}; mtl requires at least 32; run ulimit -n 1024\n`
            : (expect.stringMatching(
                /^error: (\S+: )?too many files are open \(EMFILE\); raise the limit of this process: ulimit -n 4096\n$/m,
              ) as string);
        if (status !== 0 || files < REQUIRED_FILES) expect([files, status, stderr]).toEqual([files, 5, error]);
      }
      expect(codes.get(MIN_FILES)).toBe(5);
      expect([...codes.values()].at(-1)).toBe(0);
      if (command === 'train with a thread') expect(codes.get(REQUIRED_FILES + 1)).toBe(0);
    },
    600_000,
  );
});
