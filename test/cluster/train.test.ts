/** @module-tag long */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { MPICH, mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, traceOf } from '../support/small-run.js';

// How often a training is killed, and what decides when: MTL_KILLS=20 MTL_KILL_SEED=1 npx vitest run
// test/cluster/train.test.ts
const KILLS = Number(process.env['MTL_KILLS'] ?? 1);
const SEED = Number(process.env['MTL_KILL_SEED'] ?? 0);

let config: string;
beforeAll(async () => {
  const world = mkdtempSync(join(tmpdir(), 'mtl-mpi-'));
  await smallWorld(world);
  config = join(world, 'mmoe.yaml');
});

/** Tables of eight rows or more are dealt out; steps of Adam are those of gradients and not of their rounding. */
const SETS = [
  'training.shardTablesFrom=8',
  'training.epochs=3',
  'training.optimizer.dense.epsilon=0.001',
  'training.optimizer.embeddings.epsilon=0.001',
  'training.earlyStopping=null',
].map((set) => `--set=${set}`);
const train = (): string[] => ['train', config, ...SETS, '--no-report'];

/** All of a run's best checkpoint. */
const bestOf = (cwd: string, run: string) => readCheckpoint(join(cwd, run, 'checkpoints', 'best'), true);

describe.each([OPEN_MPI, MPICH])('mtl train under $name', { timeout: 240_000 }, (mpi) => {
  it('leaves the run that one process leaves, which one process evaluates and goes on with', async (context) => {
    needsMpi(context, mpi);
    const cwd = scratchFolder();
    expect((await mtl(cwd, [...train(), '--run-dir', 'one'])).code).toBe(0);
    const { code, stdout, stderr } = await mpirun(mpi, 2, cwd, [BIN, ...train(), '--run-dir', 'two', '--json']);
    expect({ code, errors: stderr.split('\n').filter((line) => line.startsWith('error')) }).toEqual({
      code: 0,
      errors: [],
    });
    // One of them speaks.
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

    const { metrics } = JSON.parse(stdout) as { metrics: { test: object } };
    // The area under the curve looks at the order of rows, which one process finds too.
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

  it('goes on with any number of processes, and with as many to the same bytes', async (context) => {
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

describe('a job of which a process is killed', { timeout: 120_000 + KILLS * 60_000 }, () => {
  it(`ends, and goes on to the same bytes, ${KILLS} times`, async (context) => {
    needsMpi(context, OPEN_MPI);
    const cwd = scratchFolder();
    const args = [...train(), '--set=checkpoints.everySteps=1', '--resume', 'auto'];
    expect((await mpirun(OPEN_MPI, 2, cwd, [BIN, ...args, '--run-dir', 'whole'])).code).toBe(0);
    const random = randomStream(SEED, 'kill', 'mpi');
    for (let kills = 0; kills < KILLS; kills++) {
      const run = `run-${kills}`;
      // One of the two kills itself some time after it was started.
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

/** A module that ends the second process, without a word, after so many milliseconds. */
function killing(afterMs: number): string {
  return `data:text/javascript,if(process.env.OMPI_COMM_WORLD_RANK==='1')setTimeout(()=>process.kill(process.pid,'SIGKILL'),${Math.round(afterMs)})`;
}
