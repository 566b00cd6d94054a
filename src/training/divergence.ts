import { readState, type Program, type ProgramState, type TermLoss } from '../engines/engine.js';
import { UserError, userError } from '../core/errors.js';
import { findNonFinite, listParts } from '../core/tensor.js';
import type { LoopState } from './loop-state.js';

/** Reactions to a non-finite loss: stop training, or skip the batch. */
export const ON_DIVERGENCE = ['stop', 'skip'] as const;
export type OnDivergence = (typeof ON_DIVERGENCE)[number];

/** A batch whose update was not applied. */
export interface SkippedBatch {
  readonly epoch: number;
  /** Starts at 1 in each epoch. */
  readonly batch: number;
  /** Number of the step that was skipped. */
  readonly step: number;
  /** Non-finite loss term, and its value. */
  readonly term: string;
  readonly value: string;
}

/** Checks the losses of each step. */
export interface DivergenceGuard {
  /**
   * @param losses of the batch after `state`
   * @returns the batch if it was skipped
   * @throws UserError (diverged) with the term, the step and the batch
   */
  check(losses: ReadonlyMap<string, TermLoss>, state: LoopState): Promise<SkippedBatch | undefined>;
}

/** More skipped batches in a row are not caused by data. */
const MAX_SKIPPED_IN_ROW = 20;

/** Creates a guard for a program that applies no update if a loss is not finite. */
export function createDivergenceGuard(program: Program, onDivergence: OnDivergence): DivergenceGuard {
  let skippedInRow = 0;
  return {
    async check(losses, state) {
      const nonFinite = [...losses].find(([, { mean }]) => !Number.isFinite(mean));
      if (nonFinite === undefined) {
        skippedInRow = 0;
        return undefined;
      }
      const [term, { mean }] = nonFinite;
      const skipped = {
        epoch: state.epoch + 1,
        batch: state.batch + 1,
        step: state.step + 1,
        term,
        value: String(mean),
      };
      if (onDivergence === 'stop') throw divergedError(skipped, '');
      skippedInRow++;
      // Non-finite weights make every later loss non-finite.
      if (skippedInRow === 1 && !isFiniteState(await readState(program)))
        throw divergedError(skipped, ', and weights are not finite either, so skipping batches cannot help');
      if (skippedInRow > MAX_SKIPPED_IN_ROW)
        throw divergedError(skipped, `, after ${MAX_SKIPPED_IN_ROW} skipped batches in a row`);
      return skipped;
    },
  };
}

function divergedError({ epoch, batch, step, term, value }: SkippedBatch, addition: string): Error {
  return userError('diverged', {
    where: `epoch ${epoch}, batch ${batch}, step ${step}`,
    key: `loss '${term}'`,
    message: `is ${value}${addition}`,
    fix:
      'lower the learning rate (--set training.optimizer.dense.learningRate=…), ' +
      'or check the data for extreme values',
  });
}

/** Returns whether every element of a state is finite; non-finite ones never recover. */
export function isFiniteState({ weights, optimizer }: ProgramState): boolean {
  for (const tensor of [...weights.values(), ...optimizer.values()]) {
    for (const part of listParts(tensor)) if (findNonFinite(part) >= 0) return false;
  }
  return true;
}

/**
 * Rejects a tensor, or a part of one, with a non-finite element, since training cannot resume from it.
 * @param offset elements of the tensor before the part
 * @param count elements of the whole tensor
 * @throws UserError (diverged) with the tensor and the first such element
 */
export function assertFinite(tensor: string, data: Float32Array, offset = 0, count = data.length): void {
  const index = findNonFinite(data);
  if (index < 0) return;
  throw userError('diverged', {
    key: `tensor '${tensor}'`,
    message:
      `contains ${data[index]} (element ${offset + index + 1} of ${count}), so it is not saved; ` +
      'older checkpoints are unchanged',
    fix: 'lower the learning rate or the task weights, or check the data for extreme values',
  });
}

/** Returns whether an error reports divergence. */
export function isDivergence(error: unknown): boolean {
  return error instanceof UserError && error.kind === 'diverged';
}
