/** @module-tag long */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { readManifest } from '../../src/runs/manifest.js';
import { readSummary } from '../../src/runs/summary.js';
import type { Baseline } from '../../src/training/observer.js';
import { describeEachMpi, mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, traceOf } from '../support/small-run.js';

// Number of kills and their seed: MTL_KILLS=20 MTL_KILL_SEED=1 npx vitest run test/cluster/train.test.ts
const KILLS = Number(process.env['MTL_KILLS'] ?? 1);
const SEED = Number(process.env['MTL_KILL_SEED'] ?? 0);

let config: string;
beforeAll(async () => {
  const world = mkdtempSync(join(tmpdir(), 'mtl-mpi-'));
  await smallWorld(world);
  config = join(world, 'mmoe.yaml');
});

/** Shards tables from eight rows; a large epsilon makes Adam insensitive to rounding of gradients. */
const SETS = [
  'training.shardTablesFrom=8',
  'training.epochs=3',
  'training.optimizer.dense.epsilon=0.001',
  'training.optimizer.embeddings.epsilon=0.001',
  'training.earlyStopping=null',
].map((set) => `--set=${set}`);
const train = (): string[] => ['train', config, ...SETS, '--no-report'];

/** Reads all files of a run's best checkpoint. */
const bestOf = (cwd: string, run: string) =>
  readCheckpoint(join(cwd, run, 'checkpoints', 'best'), { withOptimizer: true });

describeEachMpi('mtl train under', 240_000, (mpi) => {
  it('writes the run of one process, which one process evaluates and resumes', async (context) => {
    needsMpi(context, mpi);
    const cwd = scratchFolder();
    expect((await mtl(cwd, [...train(), '--run-dir', 'one'])).code).toBe(0);
    const { code, stdout, stderr } = await mpirun(mpi, 2, cwd, [BIN, ...train(), '--run-dir', 'two', '--json']);
    expect({ code, errors: stderr.split('\n').filter((line) => line.startsWith('error')) }).toEqual({
      code: 0,
      errors: [],
    });
    // Only rank 0 prints.
    expect(stdout.trim().split('\n')).toHaveLength(1);

    const [one, two] = [await bestOf(cwd, 'one'), await bestOf(cwd, 'two')];
    expect(two.program.step).toBe(one.program.step);
    expect([...two.program.optimizer.keys()]).toEqual([...one.program.optimizer.keys()]);
    for (const [name, { shape, data }] of one.program.weights) {
      const other = two.program.weights.get(name)!;
      expect(other.shape, name).toEqual(shape);
      for (const [i, number] of data.entries()) expect(Math.abs(number - other.data[i]!), name).toBeLessThan(1e-4);
    }
    const manifest = JSON.parse(readFileSync(join(cwd, 'two/checkpoints/best/manifest.json'), 'utf8')) as {
      parts: object[];
    };
    expect(manifest.parts).toHaveLength(1);

    const { metrics, baseline } = JSON.parse(stdout) as { metrics: { test: object }; baseline: Baseline };
    // Rank 0 trains the baseline of one process.
    expect(baseline).toEqual(readSummary(join(cwd, 'one'))!.baseline);
    expect(baseline.split).toBe('test');
    // The AUC depends on the order of rows, which one process computes too.
    const evaluated = (await mtl(cwd, ['eval', 'two', '--json'])).stdout;
    expect(evaluated).toContain(JSON.stringify(metrics.test).slice(1, 60));
    expect(
      (
        await mtl(cwd, [
          'train',
          config,
          ...SETS.filter((set) => !set.includes('epochs')),
          '--set=training.epochs=4',
          '--no-report',
          '--resume',
          'two',
        ])
      ).code,
    ).toBe(0);
  });

  it('resumes with any number of processes, bitwise identical for an equal number', async (context) => {
    needsMpi(context, mpi);
    const cwd = scratchFolder();
    const runs = async (processes: number, epochs: number, run: string): Promise<void> => {
      const { code, stderr } = await mpirun(mpi, processes, cwd, [
        BIN,
        ...train(),
        `--set=training.epochs=${epochs}`,
        '--run-dir',
        run,
        '--resume',
        'auto',
      ]);
      expect({ code, errors: stderr.split('\n').filter((line) => line.startsWith('error')) }).toEqual({
        code: 0,
        errors: [],
      });
    };
    await runs(2, 3, 'whole');
    await runs(2, 1, 'parts');
    await runs(2, 3, 'parts');
    expect(traceOf(join(cwd, 'parts'))).toEqual(traceOf(join(cwd, 'whole')));
    await runs(2, 1, 'more');
    await runs(3, 3, 'more');
    const [whole, more] = [await bestOf(cwd, 'whole'), await bestOf(cwd, 'more')];
    for (const [name, { data }] of whole.program.weights)
      for (const [i, number] of data.entries())
        expect(Math.abs(number - more.program.weights.get(name)!.data[i]!), name).toBeLessThan(1e-4);
  });
});

describe('ranks that save deltas', { timeout: 240_000 }, () => {
  it('restore bitwise what full checkpoints of the same steps do', async (context) => {
    needsMpi(context, OPEN_MPI);
    const cwd = scratchFolder();
    const schedules = { full: 'checkpoints.everySteps=1', deltas: 'checkpoints.delta.everySteps=1' };
    for (const [run, schedule] of Object.entries(schedules)) {
      const sets = [
        'checkpoints.everySteps=null',
        schedule,
        'checkpoints.keepLast=99',
        'training.epochs=1',
        'features.user.encoding={ name: hash, buckets: 2000 }',
      ];
      const args = [...train(), ...sets.map((set) => `--set=${set}`), '--run-dir', run];
      expect((await mpirun(OPEN_MPI, 2, cwd, [BIN, ...args])).code).toBe(0);
    }
    for (const name of ['step-00000002', 'step-00000003', 'step-00000004']) {
      const [full, restored] = await Promise.all(
        ['full', 'deltas'].map((run) => readCheckpoint(join(cwd, run, 'checkpoints', name), { withOptimizer: true })),
      );
      expect(restored!.program).toEqual(full!.program);
      const { files, parts } = await readManifest(join(cwd, 'deltas/checkpoints', name));
      expect(Object.keys(files)).toContain('rows.safetensors');
      expect(parts.map(Object.keys)).toEqual([expect.arrayContaining(['rows.safetensors'])]);
    }
  });
});

describe('job with a killed process', { timeout: 120_000 + KILLS * 60_000, tags: ['nightly'] }, () => {
  it(`exits and resumes bitwise identically, ${KILLS} times`, async (context) => {
    needsMpi(context, OPEN_MPI);
    const cwd = scratchFolder();
    const args = [...train(), '--set=checkpoints.everySteps=1', '--resume', 'auto'];
    expect((await mpirun(OPEN_MPI, 2, cwd, [BIN, ...args, '--run-dir', 'whole'])).code).toBe(0);
    const random = randomStream(SEED, 'kill', 'mpi');
    for (let kills = 0; kills < KILLS; kills++) {
      const run = `run-${kills}`;
      // One of the two kills itself after a random delay.
      const killed = await mpirun(OPEN_MPI, 2, cwd, [
        '--import',
        killing(random.uniform() * 4000),
        BIN,
        ...args,
        '--run-dir',
        run,
      ]);
      if (killed.code === 0) continue;
      expect((await mpirun(OPEN_MPI, 2, cwd, [BIN, ...args, '--run-dir', run])).code).toBe(0);
      expect(traceOf(join(cwd, run))).toEqual(traceOf(join(cwd, 'whole')));
    }
  });
});

/** Creates a module that kills rank 1 after a number of milliseconds. */
function killing(afterMs: number): string {
  const kill = `setTimeout(()=>process.kill(process.pid,'SIGKILL'),${Math.round(afterMs)})`;
  return `data:text/javascript,if(process.env.OMPI_COMM_WORLD_RANK==='1')${kill}`;
}
