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
const MAX_FILES = 40;

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
    ['check', ['check', 'esmm.yaml', '--device', 'cpu']],
  ])(
    'exits with code 5 and names the limit, or succeeds: %s',
    async (_, args) => {
      const folder = scratchFolder();
      await smallWorld(folder);
      const codes: (number | null)[] = [];
      for (let files = MIN_FILES; files <= MAX_FILES; files += 2) {
        rmSync(join(folder, 'run'), { recursive: true, force: true });
        const { status, stderr } = limited(folder, files, args);
        codes.push(status);
        if (status !== 0)
          expect([files, status, stderr]).toEqual([
            files,
            5,
            expect.stringMatching(
              /^error: (\S+: )?too many files are open \(EMFILE\); raise the limit of this process: ulimit -n 4096\n$/m,
            ),
          ]);
      }
      expect(codes[0]).toBe(5);
      expect(codes.at(-1)).toBe(0);
    },
    600_000,
  );
});
