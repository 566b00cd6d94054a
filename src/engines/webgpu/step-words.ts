import { streamKey } from '../../core/random.js';
import type { RateFactors } from '../engine.js';
import type { Compiled } from '../compile/compile.js';
import { CONSTANT_WORDS } from '../compile/arena.js';
import { createConstantsWriter } from '../state/constants.js';

/** Writes what the calls of a step read beside the batch to where it is uploaded from. */
export interface StepWords {
  /**
   * Masks of dropout, and what terms count. A pass that is not a step's first has masks of its own.
   * @param step steps that were taken
   */
  prepare(step: number, pass: number, weights: readonly number[], counted: readonly number[] | undefined): void;
  /** The clock of the average. */
  setClock(step: number): void;
  /** The constants of the optimizers, and the clock. */
  setConstants(step: number, rates: RateFactors): void;
}

/**
 * Finds once where the words of a step go.
 * @param wordAt which word of `upload` is at an address
 * @param mirror of the memory of the kernels' own engine, where constants are written first
 */
export function createStepWords(
  compiled: Compiled,
  upload: Uint32Array<ArrayBuffer>,
  wordAt: (address: number) => number,
  mirror: { readonly buffer: ArrayBuffer },
): StepWords {
  const {
    plan: { seed },
    constants,
    average,
    dropoutKeys,
    tables,
    terms,
  } = compiled;
  const floats = new Float32Array(upload.buffer);
  const writeConstants = createConstantsWriter(compiled, new Float32Array(mirror.buffer));
  const keys = [...dropoutKeys].map(([name, at]) => ({ name, at: wordAt(at) }));
  const weightsAt = [...terms.values()].map(({ weight }) => wordAt(weight));
  const freshAt = wordAt(tables.fresh);
  const blocks = [...new Set(Object.values(constants))].map((at) => ({
    words: new Uint32Array(mirror.buffer, at, CONSTANT_WORDS),
    at: wordAt(at),
  }));
  const clockAt = average === undefined ? 0 : wordAt(average.clock);
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
    setClock,
    setConstants(step, rates) {
      writeConstants(step + 1, rates);
      for (const { words, at } of blocks) upload.set(words, at);
      setClock(step);
    },
  };
}
