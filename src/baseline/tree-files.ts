import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { column, type Batch } from '../core/batch.js';
import { applySteps, invertSteps, type InvertibleStep } from '../core/scaling.js';
import { taskColumns, type Task } from '../core/tasks.js';
import type { Dataset } from '../data/batches/dataset.js';
import { onDisk } from '../io/disk.js';
import type { TreeColumns } from './tree-columns.js';
import { assignFolds } from './tree-folds.js';

/** Rows that are converted at once. */
const BATCH_ROWS = 4096;

/** A task that trees predict. */
export interface PredictedTask extends Pick<Task, 'name'> {
  /** Scaling of the label. */
  readonly steps: readonly InvertibleStep[];
  /** Whether it has no parent task. */
  readonly isRoot: boolean;
}

/** A task that trees are trained on. */
export interface TreeTask extends Task, PredictedTask {
  readonly objective: string;
  /** Loss weight of rows with label 1. */
  readonly positiveWeight: number;
}

/** A split whose rows are written. */
export interface WrittenSplit {
  readonly split: string;
  readonly dataset: Dataset;
  /** Number of folds that its rows are assigned to; 0 for none. */
  readonly folds: number;
}

/**
 * Writes features, targets and folds of a split's rows to a directory, in the format that the Python script reads.
 * @param onShare receives the written share
 */
export async function writeTreeRows(
  folder: string,
  { split, dataset, folds }: WrittenSplit,
  { columns, write }: TreeColumns,
  tasks: readonly TreeTask[],
  onShare: (share: number) => void,
): Promise<void> {
  const names = ['features.f32', 'targets.f32', ...(folds > 0 ? ['folds.u8'] : [])];
  await onDisk(folder, async () => {
    const files: FileHandle[] = [];
    try {
      for (const name of names) files.push(await open(join(folder, `${split}.${name}`), 'w'));
      const [featureFile, targetFile, foldFile] = files as [FileHandle, FileHandle, FileHandle?];
      let written = 0;
      for await (const { batch } of dataset.batches(BATCH_ROWS)) {
        const features = new Float32Array(batch.rows * columns.length);
        write(batch, features, columns.length, 0);
        await featureFile.writeFile(bytesOf(features));
        await targetFile.writeFile(bytesOf(targetsOf(batch, tasks)));
        await foldFile?.writeFile(assignFolds(features, columns.length, folds));
        onShare((written += batch.rows) / dataset.rows);
      }
    } finally {
      for (const file of files) await file.close();
    }
  });
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Returns label and weight of each task, per row; the weight is 0 where the task is undefined. */
function targetsOf(batch: Batch, tasks: readonly TreeTask[]): Float32Array {
  const { rows } = batch;
  const targets = new Float32Array(2 * rows * tasks.length);
  for (const [t, task] of tasks.entries()) {
    const { label, mask, sampleWeight } = taskColumns(task, tasks);
    const scale = applySteps(task.steps);
    const values = column(batch, label, 'f32').data;
    const defined = mask === undefined ? undefined : column(batch, mask, 'f32').data;
    const weights = sampleWeight === undefined ? undefined : column(batch, sampleWeight, 'f32').data;
    for (let row = 0; row < rows; row++) {
      const at = 2 * (row * tasks.length + t);
      if (defined !== undefined && defined[row] !== 1) continue;
      targets[at] = scale(values[row]!);
      targets[at + 1] = (weights?.[row] ?? 1) * (values[row] === 1 ? task.positiveWeight : 1);
    }
  }
  return targets;
}

const resultSchema = z.array(z.object({ trees: z.int().min(1), losses: z.record(z.string(), z.number()) }));
/** Number of trees and mean losses (by split) of each task. */
export type TreeResult = z.output<typeof resultSchema>;

/** Options of the script, besides the rows. */
export interface TreeSpec {
  readonly rows: Readonly<Record<string, number>>;
  readonly rounds: number;
  readonly patience: number;
  /** Number of models per task that are trained without the rows of a fold each; 0 for none. */
  readonly folds: number;
  readonly seed: number;
  readonly threads: number;
  /** LightGBM's parameters that replace the defaults. */
  readonly params: Readonly<Record<string, string>>;
}

/** Writes the description of the rows and the options. */
export async function writeTreeSpec(
  folder: string,
  spec: TreeSpec,
  { columns }: TreeColumns,
  tasks: readonly TreeTask[],
): Promise<void> {
  const text = JSON.stringify({ ...spec, columns, tasks: tasks.map(({ name, objective }) => ({ name, objective })) });
  await onDisk(folder, () => writeFile(join(folder, 'spec.json'), text));
}

/** Reads the result of the script. */
export async function readTreeResult(folder: string): Promise<TreeResult> {
  return resultSchema.parse(JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')));
}

/**
 * Reads the predictions of a split by task, as `splitTreePredictions`.
 */
export async function readTreePredictions(
  folder: string,
  split: string,
  tasks: readonly TreeTask[],
  negativeRate: number,
): Promise<ReadonlyMap<string, Float32Array>> {
  const { buffer, byteOffset, byteLength } = await readFile(join(folder, `${split}.predictions.f32`));
  return splitTreePredictions(new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)), tasks, negativeRate);
}

/**
 * Returns predictions by task, in the labels' units and for the distribution of the whole data.
 * @param all `[rows, tasks]`, row by row
 * @param negativeRate share of negatives that sampling kept; root tasks are corrected (He et al. 2014, section 6.3)
 */
export function splitTreePredictions(
  all: Float32Array,
  tasks: readonly PredictedTask[],
  negativeRate: number,
): ReadonlyMap<string, Float32Array> {
  return new Map(
    tasks.map(({ name, isRoot, steps }, t) => {
      const unscale = invertSteps(steps);
      const rate = isRoot ? negativeRate : 1;
      return [
        name,
        Float32Array.from({ length: all.length / tasks.length }, (_, row) => {
          const value = unscale(all[row * tasks.length + t]!);
          return rate === 1 ? value : value / (value + (1 - value) / rate);
        }),
      ];
    }),
  );
}
