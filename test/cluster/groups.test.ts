/** @module-tag long */
import { withMaps } from '../support/batches.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Workload } from '../../bench/workloads.js';
import type { StepPlan } from '../../src/engines/engine.js';
import { losses } from '../../src/losses/losses.js';
import { randomStream } from '../../src/core/random.js';
import { groupColumn } from '../../src/core/row-key.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { MPICH, mpirun, needsMpi, OPEN_MPI, type Mpi } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { traceOf } from '../support/small-run.js';
import {
  distance,
  optionsOf,
  together,
  trainedAlone,
  trainedBy,
  trainingOf,
  type Left,
  type Training,
} from '../support/trained-together.js';
import { BY, planWith, withGroups } from '../support/within-groups.js';

/** Groups span the rows of several processes; in a batch of three rows, some processes have none. */
const WORK: Workload = {
  name: 'mmoe',
  batchRows: 250,
  width: 6,
  numbers: ['D0', 'D1'],
  model: {
    name: 'mmoe',
    experts: { count: 3, hidden: [10], dropout: 0.2 },
    tower: { hidden: [9], activation: 'tanh' },
  },
};
const within = losses.parts.flatMap(({ name, options }) => ('groupBy' in options() ? [name] : []));

function trainingWith(loss: object, steps: number, step: StepPlan = {}, smallest = 117, work = WORK): Training {
  const { plan, batches, evaluated, ...training } = trainingOf(work, step, steps, smallest);
  return {
    ...training,
    plan: planWith(plan, work, loss),
    batches: batches.map(withGroups),
    evaluated: withGroups(evaluated, 99),
  };
}

/** The same rows without groups. */
function apart({ batches, ...training }: Training): Training {
  return {
    ...training,
    batches: batches.map((batch) =>
      withMaps(batch, { labels: new Map([[groupColumn(BY), new Float32Array(batch.rows).fill(-1)]]) }),
    ),
  };
}

const unpredicted = (left: Left): Left => ({ ...left, predictions: new Map() });
const unmeasured = (left: Left): Left => ({ ...left, found: [], losses: new Map(), before: new Map() });

/** Trains with 2 and 4 processes; returns the result of one process. */
async function expectAlike(mpi: Mpi, training: Training): Promise<Left> {
  const alone = await trainedAlone(training);
  for (const processes of [2, 4]) {
    const once = await trainedBy(mpi, processes, training);
    const all = together(once);
    expect(distance(unpredicted(alone), unpredicted(all))).toBeLessThan(1e-5);
    // A probability is a sum over differences of many weights.
    expect(distance(alone, all)).toBeLessThan(1e-4);
    expect(await trainedBy(mpi, processes, training)).toEqual(once);
  }
  return alone;
}

describe('grouped losses across processes', { timeout: 300_000 }, () => {
  it.for([...within.map((name) => [name, OPEN_MPI] as const), [within[0]!, MPICH] as const])(
    '%s equals one process within 1e-5 after 200 steps, reproducibly',
    async ([name, mpi], context) => {
      needsMpi(context, mpi);
      const training = trainingWith({ name, groupBy: BY }, 200);
      const alone = await expectAlike(mpi, training);
      // Groups affect the loss.
      expect(distance(unmeasured(alone), unmeasured(await trainedAlone(apart(training))))).toBeGreaterThan(1e-3);
    },
  );

  it('dcmt with weights normalized over the batch equals one process', async (context) => {
    needsMpi(context, OPEN_MPI);
    const tower = { hidden: [9], activation: 'tanh' };
    await expectAlike(
      OPEN_MPI,
      trainingWith({ name: 'cross-entropy' }, 200, {}, 117, {
        ...WORK,
        model: { name: 'dcmt', ctrTower: tower, cvrTower: tower },
      }),
    );
  });

  it.for(within)('%s is bitwise identical for any number of threads', { tags: ['nightly'] }, async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingWith({ name, groupBy: BY }, 12);
    expect(await trainedBy(OPEN_MPI, 2, training, 3)).toEqual(await trainedBy(OPEN_MPI, 2, training, 1));
  });

  it.for(within)(
    '%s equals one process if ranks have no rows, and with a backward pass per term',
    { tags: ['nightly'] },
    async (name, context) => {
      needsMpi(context, OPEN_MPI);
      const combined = {
        ...trainingWith({ name, groupBy: BY }, 12, { combinesTerms: true, isDiagnosed: true }, 3),
        options: optionsOf({ lossWeighting: { name: 'pcgrad' }, diagnostics: { everySteps: 5 } }),
      };
      expect(distance(await trainedAlone(combined), together(await trainedBy(OPEN_MPI, 4, combined)))).toBeLessThan(
        1e-5,
      );
    },
  );

  it('equal one process for accumulated passes with separate groups', async (context) => {
    needsMpi(context, OPEN_MPI);
    // The rows that count are known before the passes.
    const { plan, ...training } = trainingWith({ name: 'jrc', groupBy: BY }, 12, { rows: 250 });
    const accumulating = { ...training, plan: { ...plan, batchRows: 64 } };
    expect(
      distance(await trainedAlone(accumulating), together(await trainedBy(OPEN_MPI, 3, accumulating))),
    ).toBeLessThan(1e-5);
  });
});

describe('config with a grouped loss', { timeout: 240_000 }, () => {
  it.for(within)('%s: two processes train the run of one process and resume reproducibly', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const cwd = scratchFolder();
    // The bias of a score cancels in differences: its gradient is rounding noise, which Adam must not amplify.
    const steady = { epsilon: 1e-3 };
    writeFileSync(
      join(cwd, 'groups.yaml'),
      stringify({
        data: { train: ['a.csv', 'b.csv'], valid: 'c.csv' },
        features: { item: { type: 'categorical', fields: ['item'], width: 4 } },
        tasks: {
          ctr: { label: 'click', loss: { name, groupBy: 'user' } },
          cvr: { label: 'buy', given: 'click', loss: { name, groupBy: 'user' } },
        },
        model: { name: 'shared-bottom', hidden: [8], activation: 'tanh', tower: { hidden: [] } },
        training: {
          epochs: 2,
          batchSize: 120,
          monitor: 'ctr.auc',
          shardTablesFrom: 8,
          optimizer: { dense: steady, embeddings: steady },
        },
        checkpoints: { bestBy: ['loss'] },
      }),
    );
    for (const [seed, file] of ['a', 'b', 'c'].entries()) writeFileSync(join(cwd, `${file}.csv`), log(600, seed));
    const args = ['train', 'groups.yaml', '--no-report', '--threads=1'];
    const spoiled = (stderr: string): readonly string[] =>
      stderr.split('\n').filter((line) => line.startsWith('error'));
    const trained = async (run: string, epochs: number): Promise<void> => {
      const { code, stderr } = await mpirun(OPEN_MPI, 2, cwd, [
        BIN,
        ...args,
        '--run-dir',
        run,
        '--resume',
        'auto',
        `--set=training.epochs=${epochs}`,
      ]);
      expect({ code, errors: spoiled(stderr) }).toEqual({ code: 0, errors: [] });
    };
    expect((await mtl(cwd, [...args, '--run-dir', 'one'])).code).toBe(0);
    await trained('two', 2);
    await trained('parts', 1);
    await trained('parts', 2);
    expect(traceOf(join(cwd, 'parts'))).toEqual(traceOf(join(cwd, 'two')));
    const metrics = (run: string) =>
      JSON.parse(readFileSync(join(cwd, run, 'metrics.jsonl'), 'utf8').split('\n')[0]!) as {
        train: { loss: number };
        valid: { ctr: { auc: number } };
      };
    expect(metrics('two').train.loss).toBeCloseTo(metrics('one').train.loss, 4);
    const [one, two] = [
      await readCheckpoint(join(cwd, 'one/checkpoints/last'), { withOptimizer: true }),
      await readCheckpoint(join(cwd, 'two/checkpoints/last'), { withOptimizer: true }),
    ];
    for (const [tensor, { data }] of one.program.weights)
      for (const [i, number] of data.entries())
        expect(Math.abs(number - two.program.weights.get(tensor)!.data[i]!), tensor).toBeLessThan(1e-4);
  });
});

/** Creates rows of users with individual click rates, six rows each; rows of a user are spread over the file. */
function log(rows: number, seed: number): string {
  const random = randomStream(seed, 'log');
  const lines = Array.from({ length: rows }, (_, row) => {
    const [user, item] = [row % Math.ceil(rows / 6), random.below(12)];
    const click = Number(random.uniform() < 1 / (1 + Math.exp(-((user % 5) - 2.5 + 0.25 * (item - 6)))));
    return [row % 97 === 0 ? '' : `u${user}`, item, click, click * Number(random.uniform() < 0.1 + 0.06 * item)].join(
      ',',
    );
  });
  return `user,item,click,buy\n${lines.join('\n')}\n`;
}
