import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import v8 from 'node:v8';
import { expect } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import type { Diagnosis } from '../../src/engines/diagnosis.js';
import type { Plan, StepPlan, TermLoss } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { firstLoopState } from '../../src/training/loop-state.js';
import { trainingOptions, type TrainingOptions } from '../../src/training/options.js';
import { createTrainStep } from '../../src/training/train-step.js';
import { mpirun, type Mpi } from './mpi.js';
import { scratchFolder } from './scratch.js';

const SCRIPT = join(import.meta.dirname, 'peers-training.js');
const SCALE = 0.002;

/** Final state of a rank and its results during training. */
export interface Left {
  readonly found: readonly {
    readonly losses: readonly TermLoss[];
    readonly norms: { readonly dense: number; readonly embeddings: number };
    readonly diagnosis: Diagnosis | undefined;
  }[];
  readonly predictions: ReadonlyMap<string, Float32Array>;
  readonly losses: ReadonlyMap<string, TermLoss>;
  readonly before: ReadonlyMap<string, TermLoss>;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  readonly dealt?: ReadonlyMap<string, number>;
  readonly step: number;
}

/** Plan, batches and options of a training. */
export interface Training {
  readonly plan: Plan;
  readonly batches: readonly Batch[];
  readonly steps: number;
  readonly evaluated: Batch;
  /** Options of its steps. */
  readonly options: Pick<TrainingOptions, 'schedule' | 'lossWeighting' | 'diagnostics'>;
}

/** Parses the options of steps from a config section. */
export function optionsOf(section: object): Training['options'] {
  const { schedule, lossWeighting: weighting, diagnostics } = trainingOptions.parse(section);
  return { schedule, lossWeighting: weighting, diagnostics };
}

/** Tables of 100 rows or more are sharded; the last batch is smaller. */
export function trainingOf(work: Workload, step: StepPlan = {}, steps = 200, smallest = 117): Training {
  const batches = batchesOf({ ...work, batchRows: step.rows ?? work.batchRows }, 9, SCALE);
  const [small] = batchesOf({ ...work, batchRows: smallest }, 1, SCALE);
  const [evaluated] = batchesOf({ ...work, batchRows: 1500 }, 1, SCALE);
  // Adam would amplify a gradient that is only rounding error, as that of a one-row table before batch norm.
  const { optimizers, ...plan } = planOf(work, SCALE);
  const steady = {
    dense: { ...optimizers.dense, epsilon: 1e-3 },
    embeddings: { ...optimizers.embeddings, epsilon: 1e-3 },
  };
  return {
    plan: { ...plan, optimizers: steady, step, dealtRows: 100 },
    batches: [...batches, small!],
    steps,
    evaluated: evaluated!,
    options: optionsOf({}),
  };
}

/** Trains on several ranks; returns their final states. */
export async function trainedBy(
  mpi: Mpi,
  processes: number,
  training: Training,
  threads = 1,
): Promise<readonly Left[]> {
  const [all] = await allTrainedBy(mpi, processes, [training], threads);
  return all!;
}

/** Trains several plans, one after another, on ranks that start once; returns the final states of each. */
export async function allTrainedBy(
  mpi: Mpi,
  processes: number,
  trainings: readonly Training[],
  threads = 1,
): Promise<readonly (readonly Left[])[]> {
  const folder = scratchFolder();
  const paths = trainings.map((training, i) => {
    const path = join(folder, `training-${i}`);
    writeFileSync(path, v8.serialize(training));
    return path;
  });
  const { code, stderr } = await mpirun(mpi, processes, '.', [SCRIPT, String(threads), ...paths]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return paths.map((path) =>
    Array.from({ length: processes }, (_, rank) => v8.deserialize(readFileSync(`${path}.${rank}`)) as Left),
  );
}

/** Trains in this process alone. */
export async function trainedAlone({ plan, batches, steps, evaluated, options }: Training): Promise<Left> {
  const program = createCpuEngine(1).compile(plan);
  const stepper = createTrainStep({
    program,
    training: options,
    terms: plan.graph.terms,
    seed: plan.seed,
    trainingLength: { steps: 1, stepsPerEpoch: 1 },
    stateOf: (_, first) => first(),
  });
  const found = [];
  for (let step = 0; step < steps; step++) {
    const { losses, norms, diagnosis } = await stepper.take(batches[step % batches.length]!, {
      ...firstLoopState(),
      step,
    });
    found.push({ losses: [...losses.values()], norms, diagnosis });
  }
  const { predictions, losses } = await program.averaged(() => program.evaluate(evaluated));
  const before = await program.losses(evaluated);
  const { weights, optimizer, step } = program.state();
  return { found, predictions, losses, before, tensors: new Map([...weights, ...optimizer]), step };
}

/** Merges the ranks' states: sharded rows in order, and everything that is equal on all ranks. */
export function together(all: readonly Left[]): Left {
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
  for (const { found, predictions, losses, before, step } of all)
    expect({ found, predictions, losses, before, step }).toEqual({
      found: first!.found,
      predictions: first!.predictions,
      losses: first!.losses,
      before: first!.before,
      step: first!.step,
    });
  return { ...first!, tensors };
}

/** The largest difference between two runs. */
export function distance(one: Left, other: Left): number {
  let most = 0;
  expect([...other.tensors.keys()]).toEqual([...one.tensors.keys()]);
  for (const [name, { shape, data }] of one.tensors) {
    const found = other.tensors.get(name)!;
    expect(found.shape, name).toEqual(shape);
    for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]! - found.data[i]!));
  }
  for (const [task, values] of one.predictions)
    for (let i = 0; i < values.length; i++)
      most = Math.max(most, Math.abs(values[i]! - other.predictions.get(task)![i]!));
  const lossesOf = ({ found, losses, before }: Left): number[] =>
    [...found.flatMap((step) => step.losses), ...losses.values(), ...before.values()].flatMap(({ mean, rows }) => [
      mean,
      rows,
    ]);
  const [a, b] = [lossesOf(one), lossesOf(other)];
  for (const [i, loss] of a.entries()) most = Math.max(most, Math.abs(loss - b[i]!));
  return most;
}
