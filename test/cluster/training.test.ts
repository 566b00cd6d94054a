/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import v8 from 'node:v8';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/batch.js';
import type { Plan, StepPlan, TermLoss } from '../../src/engines/engine.js';
import { createSimdEngine } from '../../src/engines/simd/engine.js';
import { ALONE, type Peers } from '../../src/peers.js';
import { MPICH, mpirun, needsMpi, OPEN_MPI, type Mpi } from '../support/mpi.js';
import { scratchFolder } from '../support/scratch.js';

const SCRIPT = join(import.meta.dirname, '..', 'support', 'peers-training.js');
const SCALE = 0.002;

/** Dropout, batch norm also within an activation, tables of all sizes and widths that end within a vector. */
const WORK: Workload = { name: 'mmoe', batchRows: 250, width: 6, numbers: ['D0', 'D1'], model: { name: 'mmoe', experts: { count: 3, hidden: [10], activation: 'dice', dropout: 0.2 }, tower: { hidden: [9], activation: 'tanh' } } };
const BAGS: Workload = { ...WORK, bags: { '210': 2, '110_14': 6 }, embeddings: { name: 'row-wise-adagrad' } };

interface Left {
  readonly found: readonly { readonly losses: readonly TermLoss[]; readonly norms: { readonly dense: number; readonly embeddings: number } }[];
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly losses: ReadonlyMap<string, TermLoss>;
  readonly before: ReadonlyMap<string, TermLoss>;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  readonly dealt?: ReadonlySet<string>;
  readonly step: number;
}

interface Training {
  readonly plan: Plan;
  readonly batches: readonly Batch[];
  readonly steps: number;
  readonly evaluated: Batch;
}

/** Tables from 100 rows on are dealt out; the last batch is smaller than the others. */
function trainingOf(work: Workload, step: StepPlan = {}, steps = 200, smallest = 117): Training {
  const batches = batchesOf({ ...work, batchRows: step.rows ?? work.batchRows }, 9, SCALE);
  const [small] = batchesOf({ ...work, batchRows: smallest }, 1, SCALE);
  const [evaluated] = batchesOf({ ...work, batchRows: 1500 }, 1, SCALE);
  // A gradient that is nothing but rounding, as that of a table of one row before batch norm, would be a step of Adam's as any other.
  const { optimizers, ...plan } = planOf(work, SCALE);
  const steady = { dense: { ...optimizers.dense, epsilon: 1e-3 }, embeddings: { ...optimizers.embeddings, epsilon: 1e-3 } };
  return { plan: { ...plan, optimizers: steady, step, dealtRows: 100 }, batches: [...batches, small!], steps, evaluated: evaluated! };
}

/** What each of several processes has in the end. */
async function trainedBy(mpi: Mpi, processes: number, training: Training, threads = 1): Promise<readonly Left[]> {
  const path = join(scratchFolder(), 'training');
  writeFileSync(path, v8.serialize(training));
  const { code, stderr } = await mpirun(mpi, processes, '.', [SCRIPT, path, String(threads)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return Array.from({ length: processes }, (_, rank) => v8.deserialize(readFileSync(`${path}.${rank}`)) as Left);
}

/** The same by this process alone. */
async function trainedAlone({ plan, batches, steps, evaluated }: Training): Promise<Left> {
  const program = createSimdEngine(1).compile(plan);
  const found = [];
  for (let step = 0; step < steps; step++) {
    const { losses, norms } = await program.trainStep(batches[step % batches.length]!);
    found.push({ losses: [...losses.values()], norms });
  }
  const { predictions, losses } = await program.averaged(() => program.evaluate(evaluated));
  const before = await program.losses(evaluated);
  const { weights, optimizer, step } = program.state();
  return { found, predictions, losses, before, tensors: new Map([...weights, ...optimizer]), step };
}

/** What all have together: rows that are dealt out put in order, and of the rest what is the same with everyone. */
function together(all: readonly Left[]): Left {
  const [first] = all;
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, { shape, data }] of first!.tensors) {
    if (first!.dealt?.has(name) !== true) {
      for (const other of all) expect(other.tensors.get(name)!.data, name).toEqual(data);
      tensors.set(name, { shape, data });
      continue;
    }
    const parts = all.map((each) => each.tensors.get(name)!);
    const [rows, width] = [parts.reduce((sum, part) => sum + part.shape[0]!, 0), shape[1]!];
    const whole = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++) {
      const from = Math.floor(row / all.length) * width;
      whole.set(parts[row % all.length]!.data.subarray(from, from + width), row * width);
    }
    tensors.set(name, { shape: [rows, width], data: whole });
  }
  for (const { found, predictions, losses, before, step } of all) expect({ found, predictions, losses, before, step }).toEqual({ found: first!.found, predictions: first!.predictions, losses: first!.losses, before: first!.before, step: first!.step });
  return { ...first!, tensors };
}

/** The largest difference between two runs' numbers. */
function distance(one: Left, other: Left): number {
  let most = 0;
  expect([...other.tensors.keys()]).toEqual([...one.tensors.keys()]);
  for (const [name, { shape, data }] of one.tensors) {
    const found = other.tensors.get(name)!;
    expect(found.shape, name).toEqual(shape);
    for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]! - found.data[i]!));
  }
  for (const [task, values] of one.predictions) for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]! - other.predictions.get(task)![i]!));
  const lossesOf = ({ found, losses, before }: Left): number[] => [...found.flatMap((step) => step.losses), ...losses.values(), ...before.values()].flatMap(({ mean, rows }) => [mean, rows]);
  const [a, b] = [lossesOf(one), lossesOf(other)];
  for (const [i, loss] of a.entries()) most = Math.max(most, Math.abs(loss - b[i]!));
  return most;
}

describe('several processes', { timeout: 300_000 }, () => {
  it.each([OPEN_MPI, MPICH])('of $name come to the weights of one, to 1e-5 after 200 steps, and to the same bits each time', async (mpi) => {
    const training = trainingOf(WORK);
    const alone = await trainedAlone(training);
    for (const processes of [2, 4]) {
      const once = await trainedBy(mpi, processes, training);
      expect(once[0]!.dealt!.size).toBeGreaterThan(0);
      expect(distance(alone, together(once))).toBeLessThan(1e-5);
      expect(await trainedBy(mpi, processes, training)).toEqual(once);
    }
  });

  it('have the same bits for any number of threads', async (context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingOf(WORK, {}, 20);
    expect(await trainedBy(OPEN_MPI, 2, training, 2)).toEqual(await trainedBy(OPEN_MPI, 2, training, 1));
  });

  // What is clipped, averaged, accumulated and pooled is so over all rows; of a batch of three rows some processes have none.
  it.each([
    ['bags', BAGS, {}],
    ['a limit of the norm', WORK, { clip: { norm: 0.01, apart: false } }],
    ['limits apart', WORK, { clip: { norm: 0.01, apart: true } }],
    ['an average', WORK, { average: { decay: 0.9 } }],
    ['passes that accumulate', { ...WORK, batchRows: 64 }, { rows: 250 }],
  ] as const)('come to the numbers of one with %s', async (_, work, step) => {
    const training = trainingOf(work, step, 12, 3);
    const [alone, both] = [await trainedAlone(training), together(await trainedBy(OPEN_MPI, 4, training))];
    expect(distance(alone, both)).toBeLessThan(1e-5);
    for (const [s, { norms }] of both.found.entries()) {
      expect(norms.dense).toEqual(Number.isNaN(norms.dense) ? alone.found[s]!.norms.dense : expect.closeTo(alone.found[s]!.norms.dense, 3));
    }
  });

  it('refuse a step together, and go on with the next', async (context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingOf(WORK, {}, 4);
    // Of the second process's rows.
    training.batches[2]!.numbers.get('D0')![200] = Infinity;
    const [alone, both] = [await trainedAlone(training), together(await trainedBy(OPEN_MPI, 2, training))];
    expect(both.step).toBe(3);
    expect(both.found.map(({ losses }) => losses.every(({ mean }) => Number.isFinite(mean)))).toEqual([true, true, false, true]);
    expect(distance({ ...alone, found: [] }, { ...both, found: [] })).toBeLessThan(1e-5);
  });

  it('refuse what they cannot compute together', () => {
    const two: Peers = { ...ALONE, size: 2 };
    const { plan } = trainingOf(WORK, { isDiagnosed: true, combinesTerms: true });
    expect(() => createSimdEngine(1).compile({ ...plan, peers: two })).toThrow(/training\.diagnostics: gradients are not diagnosed.*\n.*training\.weighting: gradients of tasks are not combined/);
  });

  it('take the rows that are theirs from a state of all', () => {
    const { plan } = trainingOf(WORK);
    const alone = createSimdEngine(1).compile(plan);
    const saved = alone.state();
    const one = createSimdEngine(1).compile({ ...plan, seed: 2, peers: { ...ALONE, rank: 1, size: 3 } });
    one.restore(saved);
    const { weights, dealt } = one.state();
    const [name] = dealt!;
    const [all, own] = [saved.weights.get(name!)!, weights.get(name!)!];
    const width = all.shape[1]!;
    expect(own.shape).toEqual([Math.ceil((all.shape[0]! - 1) / 3), width]);
    for (let row = 0; row < own.shape[0]!; row++) expect(own.data.subarray(row * width, (row + 1) * width)).toEqual(all.data.subarray((3 * row + 1) * width, (3 * row + 2) * width));
    expect(() => one.restore({ ...saved, weights: new Map([...saved.weights, [name!, own]]) })).toThrow(/expected shape/);
  });
});
