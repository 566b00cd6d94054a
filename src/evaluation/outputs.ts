import { findChain, taskColumns, type Task } from '../core/tasks.js';
import { applyCurve, type Calibrator } from './calibration/curve.js';
import { storedColumn, type Block } from './row-store.js';

/** A prediction with the rows and the label on which it is measured. */
export interface Output {
  readonly name: string;
  readonly type: Task['type'];
  readonly label: string;
  /** A label column: only rows where it is 1 count. */
  readonly where: string | undefined;
  /** Tasks whose predictions are multiplied. */
  readonly factors: readonly string[];
  /** Calibrator of the product, if any. */
  readonly calibrator?: Calibrator | undefined;
}

/** Suffix of a conditional output that is measured on all rows. */
const ALL_ROWS = '_all';

/** Returns whether an output is a conditional one of `names`, measured on all rows. */
export function isOnAllRows(output: string, names: readonly string[]): boolean {
  return output.endsWith(ALL_ROWS) && names.includes(output.slice(0, -ALL_ROWS.length));
}

/**
 * Lists the outputs of tasks: each task on its own rows. A task with `given` is also measured on all rows (`cvr_all`)
 * and as a joint probability (`ctcvr`), which papers often confuse.
 */
export function listOutputs(tasks: readonly Task[]): readonly Output[] {
  return tasks.flatMap((task): Output[] => {
    const { name, type } = task;
    const { label, mask, known, chainKnown } = taskColumns(task, tasks);
    const ownOutput: Output = { name, type, label, where: mask, factors: [name] };
    if (task.given === undefined || type === 'regression') return [ownOutput];
    const everywhere: Output = { ...ownOutput, name: `${name}${ALL_ROWS}`, where: known };
    const chain = findChain(task, tasks);
    if (chain === undefined) return [ownOutput, everywhere];
    return [
      ownOutput,
      everywhere,
      { ...ownOutput, name: `ct${name}`, where: chainKnown, factors: chain.map((each) => each.name) },
    ];
  });
}

/** Returns the outputs with distinct predictions; of outputs that differ only in rows, the first. */
export function listPredictedOutputs(outputs: readonly Output[]): readonly Output[] {
  return outputs.filter((output) => findPredictedOutput(output, outputs) === output);
}

/** Returns the first output with the same predictions. */
export function findPredictedOutput(output: Output, outputs: readonly Output[]): Output {
  const toKey = ({ factors }: Output): string => JSON.stringify(factors);
  return outputs.find((other) => toKey(other) === toKey(output))!;
}

/**
 * Computes the predictions of an output: the product of its tasks' predictions, calibrated.
 * @param predictions by task, at least `rows` rows
 * @param target destination
 */
export function combinePredictions(
  { factors, calibrator }: Output,
  predictions: Block['predictions'],
  rows: number,
  target = new Float32Array(rows),
): Float32Array {
  const [first, ...others] = factors.map((task) => storedColumn(predictions, task));
  target.set(first!.subarray(0, rows));
  for (const other of others) for (let row = 0; row < rows; row++) target[row]! *= other[row]!;
  if (calibrator !== undefined) applyCurve(calibrator.curve, target, rows);
  return target;
}
