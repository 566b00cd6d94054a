// Total time of `mtl train configs/esmm.yaml` on the sample, interleaved with starting Node and with importing PyTorch
// (1 minute).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { median, printTable, saveResults } from './results.js';

const root = join(import.meta.dirname, '..');
const PYTHON = process.env['MTL_PYTHON'] ?? 'python3';
/** Interleaved measurements of each command; differences between equal commands show the machine's noise. */
const TIMES = 21;
/** Target for a complete run. */
const TARGET_MS = 600;

/**
 * Runs a command; returns its duration in ms.
 * @throws Error if the command fails
 */
function timed(command: string, args: readonly string[]): number {
  const beginMs = performance.now();
  const { status, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  const elapsedMs = performance.now() - beginMs;
  if (error !== undefined || status !== 0)
    throw new Error(`${command}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`);
  return elapsedMs;
}

it('start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-start-'));
  try {
    const mtl = (...args: string[]): [string, readonly string[]] => [
      process.execPath,
      [join(root, 'bin', 'mtl.js'), ...args],
    ];
    const commands: Readonly<Record<string, [string, readonly string[]]>> = {
      'mtl train: 4 epochs, checkpoints, page': mtl(
        'train',
        'configs/esmm.yaml',
        '--set',
        `runs=${JSON.stringify(folder)}`,
      ),
      'mtl --version': mtl('--version'),
      'Node alone': [process.execPath, ['-e', '']],
      'Python, import torch alone': [PYTHON, ['-c', 'import torch']],
    };
    const found: Record<string, number[]> = {};
    for (const [what, [command, args]] of Object.entries(commands)) {
      try {
        // The first run has a cold cache.
        timed(command, args);
        found[what] = [];
      } catch (error) {
        if (command !== PYTHON) throw error;
        console.log(`${what} left out: ${String(error)}; MTL_PYTHON names another`);
      }
    }
    for (let time = 0; time < TIMES; time++)
      for (const [what, times] of Object.entries(found)) times.push(timed(...commands[what]!));
    const rows = Object.entries(found).map(([what, times], place) => ({
      what,
      'median, ms': median(times).toFixed(0),
      'least, ms': Math.min(...times).toFixed(0),
      target: place === 0 ? String(TARGET_MS) : '',
    }));
    printTable(`From the call to the end, ${TIMES} of each in turns`, rows);
    saveResults('start', { found });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
