import { streamKey } from '../../core/random.js';
import type { RateFactors } from '../engine.js';
import type { Compiled } from '../compile/compile.js';
import type { Ref } from '../compile/buffers.js';
import type { TablePlace } from '../compile/tables.js';
import { createConstantsWriter } from '../state/constants.js';

/** Writes what the calls of a step read besides the batch to the words that are uploaded. */
export interface StepWords {
  /**
   * Writes dropout keys and the weights of terms. Each pass of a step has its own keys.
   * @param step number of steps taken
   * @param counted by term, the rows that its loss is divided by; by default the rows of the pass
   */
  prepare(step: number, pass: number, weights: readonly number[], counted?: readonly number[]): void;
  /** Writes the weights of terms' gradients: for what terms share, and for what belongs to one term alone. */
  combine(shared: readonly number[], own: readonly number[]): void;
  /** Writes the clock of the average. */
  setClock(step: number): void;
  /** Writes the number of rows in use of tables that grow. */
  setUsedRows(countRows: (table: TablePlace) => number): void;
  /** Writes the constants of the optimizers, and the clock. */
  setConstants(step: number, rates: RateFactors): void;
}

/**
 * Creates a writer for a program.
 * @param upload words that are uploaded before a step, from the first word of a device's memory on
 */
export function createStepWords(
  compiled: Compiled,
  upload: Uint32Array<ArrayBuffer>,
  wordAt: (ref: Ref) => number,
): StepWords {
  const {
    plan: { seed },
    average,
    dropoutKeys,
    tables,
    terms,
    sharedWeights,
    ownWeights,
  } = compiled;
  const floats = new Float32Array(upload.buffer);
  const image = { floats, words: upload, doubles: new Float64Array(upload.buffer), wordAt };
  const writeConstants = createConstantsWriter(compiled, image);
  const keys = [...dropoutKeys].map(([name, at]) => ({ name, at: wordAt(at) }));
  const weightsAt = [...terms.values()].map(({ weight }) => wordAt(weight));
  const [freshAt, sharedAt, ownAt] = [tables.fresh, sharedWeights, ownWeights].map(wordAt) as [number, number, number];
  const clockAt = average === undefined ? 0 : wordAt(average.clock);
  /** A device has no doubles: its clock is the logarithm of the decay, and two words later the steps taken. */
  const setClock: StepWords['setClock'] = (step) => {
    if (average === undefined) return;
    floats[clockAt] = Math.log(average.decay);
    upload[clockAt + 2] = step;
  };
  return {
    prepare(step, pass, weights, counted) {
      for (const { name, at } of keys) upload[at] = streamKey(seed, 'dropout', name, step, ...(pass > 0 ? [pass] : []));
      for (let t = 0; t < weightsAt.length; t++) {
        floats[weightsAt[t]!] = weights[t]!;
        floats[weightsAt[t]! + 2] = counted?.[t] ?? 0;
      }
      upload[freshAt] = pass === 0 ? 1 : 0;
    },
    combine(shared, own) {
      floats.set(shared, sharedAt);
      floats.set(own, ownAt);
    },
    setClock,
    setUsedRows(countRows) {
      for (const table of tables.trained)
        if (table.usedRowsAt !== undefined) upload[wordAt(table.usedRowsAt)] = countRows(table);
    },
    setConstants(step, rates) {
      writeConstants(step + 1, rates);
      setClock(step);
    },
  };
}
