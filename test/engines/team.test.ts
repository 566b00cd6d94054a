import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.js';
import { SIGNATURES } from '../../src/engines/compile/kernel-signatures.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { COMMAND } from '../../src/engines/cpu/command.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import type { PlacedList } from '../../src/engines/cpu/lists.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createMemory, instantiate } from '../../src/engines/cpu/module.js';
import { Team } from '../../src/engines/cpu/team.js';

const BARRIER = BEGIN;
const LISTS = BARRIER + 64;
const AT = LISTS + 256;
const ROWS = 100;

/** A team of three with a list that clears a column, and one that does so beyond the end of the memory. */
function teamOf(): {
  readonly team: Team<'clear' | 'beyond'>;
  readonly words: Int32Array;
  readonly column: Float32Array;
} {
  const memory = createMemory(BEGIN + 65_536);
  const doubles = new Float64Array(memory.buffer);
  const kernels = loadKernels(true, 'wasm');
  const [clear, beyond] = [AT, memory.buffer.byteLength].map((y, i): PlacedList => {
    const begin = LISTS + 128 * i;
    doubles.set([Object.keys(SIGNATURES).indexOf('clear'), 8, 0, 0, y, 4, ROWS, 4], begin / 8);
    return { begin, end: begin + 64, kernels: ['clear'], rowsAt: [] };
  }) as [PlacedList, PlacedList];
  const team = new Team({
    kernels,
    instance: instantiate(kernels, memory),
    memory,
    lists: { clear, beyond },
    barrier: BARRIER,
    threads: 3,
    rowWork: 1,
    isPatient: true,
  });
  return {
    team,
    words: new Int32Array(memory.buffer, BARRIER, 16),
    column: new Float32Array(memory.buffer, AT, ROWS * 4),
  };
}

describe('a patient team', () => {
  it('shares every list among all its workers', () => {
    const { team, words, column } = teamOf();
    for (let run = 1; run <= 3; run++) {
      column.fill(1);
      team.run('clear', ROWS);
      expect([words[COMMAND.ready], words[COMMAND.number]]).toEqual([2, run]);
      expect(column.every((value) => value === 0)).toBe(true);
    }
    team.end();
  });
});

describe('a kernel that aborts', () => {
  it('throws a readable error, and nothing runs afterwards', () => {
    const { team } = teamOf();
    team.run('clear', ROWS);
    const thrownBy = (list: 'clear' | 'beyond'): unknown => {
      try {
        team.run(list, ROWS);
        return undefined;
      } catch (error) {
        return error;
      }
    };
    const first = thrownBy('beyond');
    expect(first).toBeInstanceOf(UserError);
    expect((first as UserError).exitCode).toBe(1);
    expect((first as UserError).message).toMatch(
      /memory access out of bounds; resume from the last checkpoint with --resume/,
    );
    expect(thrownBy('clear')).toBeInstanceOf(UserError);
    team.end();
  });
});

describe('prestarted threads', () => {
  it('end if no program uses them', async () => {
    const engine = createCpuEngine(3);
    const isStarted = once(process, 'worker');
    const endStarted = engine.startAhead!();
    const [guard] = (await isStarted) as [Worker];
    const hasEnded = once(guard, 'exit');
    endStarted();
    // A second call has no effect.
    endStarted();
    await hasEnded;
    expect(guard.threadId).toBe(-1);
  });
});
