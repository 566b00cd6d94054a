import { readState, type Program, type ProgramState, type TermLoss } from '../engines/engine.js';
import { UserError, userError } from '../core/errors.js';
import { listParts } from '../core/tensor.js';
import type { LoopState } from './loop-state.js';

/** What happens at a loss that is not finite: training stops, or goes on without the batch. */
export const ON_DIVERGENCE = ['stop', 'skip'] as const;
export type OnDivergence = (typeof ON_DIVERGENCE)[number];

/** A batch whose update was not applied. */
export interface SkippedBatch {
  readonly epoch: number;
  /** Counted from 1 in its epoch. */
  readonly batch: number;
  /** The step that it would have been. */
  readonly step: number;
  /** The term of the loss that was not finite, and what it was. */
  readonly term: string;
  readonly value: string;
}

/** Looks at the losses of each step. */
export interface DivergenceGuard {
  /**
   * @param losses of the batch behind `state`
   * @returns the batch if it was skipped
   * @throws UserError (diverged) that names the term, the step and the batch
   */
  check(losses: ReadonlyMap<string, TermLoss>, state: LoopState): Promise<SkippedBatch | undefined>;
}

/** More batches than this in a row are no accident of the data. */
const MAX_SKIPPED_IN_ROW = 20;

/** A guard for a program, which applies no update where a loss is not finite. */
export function createDivergenceGuard(program: Program, onDivergence: OnDivergence): DivergenceGuard {
  let skippedInRow = 0;
  return {
    async check(losses, state) {
      const found = [...losses].find(([, { mean }]) => !Number.isFinite(mean));
      if (found === undefined) {
        skippedInRow = 0;
        return undefined;
      }
      const [term, { mean }] = found;
      const skipped = {
        epoch: state.epoch + 1,
        batch: state.batch + 1,
        step: state.step + 1,
        term,
        value: String(mean),
      };
      if (onDivergence === 'stop') throw divergedError(skipped, '');
      skippedInRow++;
      // Weights that are not finite make every loss so.
      if (skippedInRow === 1 && !isFiniteState(await readState(program)))
        throw divergedError(skipped, ', and so are weights: skipping batches cannot help');
      if (skippedInRow > MAX_SKIPPED_IN_ROW)
        throw divergedError(skipped, `, after ${MAX_SKIPPED_IN_ROW} batches in a row that were skipped for the like`);
      return skipped;
    },
  };
}

function divergedError({ epoch, batch, step, term, value }: SkippedBatch, more: string): Error {
  return userError('diverged', {
    where: `epoch ${epoch}, batch ${batch}, step ${step}`,
    key: `loss '${term}'`,
    message: `is ${value}${more}`,
    fix: 'lower the learning rate (--set training.optimizer.dense.learningRate=…), or look for extreme numbers in the data',
  });
}

/** Whether every number of a state is finite: one that is not never comes right again. */
export function isFiniteState({ weights, optimizer }: ProgramState): boolean {
  for (const tensor of [...weights.values(), ...optimizer.values()]) {
    for (const part of listParts(tensor)) if (firstNotFinite(part) >= 0) return false;
  }
  return true;
}

/**
 * Refuses a tensor, or a part of one, that holds a number that is not finite: nobody can go on from it.
 * @param before numbers of the tensor before the part
 * @param count all numbers of the tensor
 * @throws UserError (diverged) that names the tensor and the first such number
 */
export function refuseNotFinite(tensor: string, data: Float32Array, before = 0, count = data.length): void {
  const at = firstNotFinite(data);
  if (at < 0) return;
  throw userError('diverged', {
    key: `tensor '${tensor}'`,
    message: `holds ${data[at]} (number ${before + at + 1} of ${count}), so it is not saved; older checkpoints are as they were`,
    fix: 'lower the learning rate or the weights of the tasks, or look for extreme numbers in the data',
  });
}

/** The place of the first number that is not finite, or -1; a plain loop is five times as fast as `findIndex`. */
function firstNotFinite(data: Float32Array): number {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return -1;
}

/** Whether an error says that training diverged. */
export function isDivergence(error: unknown): boolean {
  return error instanceof UserError && error.kind === 'diverged';
}
