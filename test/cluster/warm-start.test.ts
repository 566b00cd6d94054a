/** @module-tag long */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { DAILY_CONFIG, writeDays } from '../support/drifting-days.js';
import { mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';

// A large epsilon makes Adam insensitive to rounding of gradients; both tables are sharded.
const SETS = [
  'training.shardTablesFrom=8',
  'training.optimizer.dense.epsilon=0.001',
  'training.optimizer.embeddings.epsilon=0.001',
];
const train = (run: string, sets: readonly string[] = []): string[] => [
  'train',
  'config.yaml',
  ...[...SETS, ...sets].map((set) => `--set=${set}`),
  '--no-report',
  '--run-dir',
  run,
];

let cwd: string;
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'mtl-warm-mpi-'));
  writeDays(cwd, 2, 7, 600);
  writeFileSync(join(cwd, 'config.yaml'), DAILY_CONFIG);
  expect((await mtl(cwd, train('old'))).code).toBe(0);
}, 60_000);
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

async function trainTogether(processes: number, args: readonly string[]): Promise<void> {
  const { code, stderr } = await mpirun(OPEN_MPI, processes, cwd, [BIN, ...args]);
  expect({ code, errors: stderr.split('\n').filter((line) => line.startsWith('error')) }).toEqual({
    code: 0,
    errors: [],
  });
}
const lastOf = (run: string) => readCheckpoint(join(cwd, run, 'checkpoints', 'last'), { withOptimizer: true });

describe('warm start of several processes', { timeout: 240_000 }, () => {
  // The item table has new and evicted rows; the user table is randomly initialized.
  it.for([
    ['all tensors', []],
    ['all tensors but a table', ['initFrom.include=["*", "!embeddings.user"]', 'initFrom.optimizer=reset']],
  ] as const)('loads %s like one process, reproducibly', async ([what, take], context) => {
    needsMpi(context, OPEN_MPI);
    const sets = [
      'initFrom.checkpoint=old',
      'initFrom.staleTokens=evict',
      'data.train=day-1.csv',
      'training.epochs=5',
      ...take,
    ];
    const name = what.replaceAll(' ', '-');
    expect((await mtl(cwd, train(`one-${name}`, sets))).code).toBe(0);
    const one = await lastOf(`one-${name}`);
    for (const processes of [2, 3]) {
      await trainTogether(processes, train(`of-${processes}-${name}`, sets));
      const { program } = await lastOf(`of-${processes}-${name}`);
      expect(program.step).toBe(one.program.step);
      expect([...program.optimizer.keys()]).toEqual([...one.program.optimizer.keys()]);
      for (const [tensor, { shape, data }] of one.program.weights) {
        const other = program.weights.get(tensor)!;
        expect(other.shape, tensor).toEqual(shape);
        expect(
          data.reduce((most, number, i) => Math.max(most, Math.abs(number - other.data[i]!)), 0),
          tensor,
        ).toBeLessThan(1e-5);
      }
    }
    await trainTogether(2, train(`again-${name}`, sets));
    const [again, first] = [await lastOf(`again-${name}`), await lastOf(`of-2-${name}`)];
    for (const part of ['weights', 'optimizer'] as const)
      for (const [tensor, { data }] of first.program[part])
        expect(again.program[part].get(tensor)!.data, tensor).toEqual(data);
  });
});
