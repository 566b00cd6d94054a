import { shareLeft } from './average.js';
import type { TablePlace } from '../compile/tables.js';

/** A tensor of a table in a state, read from and written to the rows in the kernels' memory. */
export interface RowTensor {
  /** Suffix of the tensor's name, after the table's name. */
  readonly suffix: string;
  readonly width: number;
  /** Initial value, if the elements are neither 0 nor random. */
  readonly first: number;
  /**
   * Reads the elements of a row.
   * @param at offset of the row, in floats
   */
  read(at: number, into: Float32Array, to: number): void;
  write(at: number, from: Float32Array, begin: number): void;
}

/** Tensors of a table: the weights for predictions, and the state for resuming. */
export interface RowTensors {
  readonly weights: RowTensor;
  readonly optimizer: readonly RowTensor[];
}

/**
 * Describes the tensors in the rows of a table after a number of steps.
 * @param decay of the EMA, if there is one
 */
export function rowTensors(
  {
    width,
    average,
    update: {
      optimizer: { slots },
    },
  }: TablePlace,
  floats: Float32Array,
  decay: number | undefined,
  step: number,
): RowTensors {
  let end = 0;
  const numbers = (suffix: string, count: number, value = 0, begin = end): RowTensor => {
    end = begin + count;
    return {
      suffix,
      width: count,
      first: value,
      read: (at, into, to) => copyNumbers(floats, at + begin, into, to, count),
      write: (at, from, first) => copyNumbers(from, first, floats, at + begin, count),
    };
  };
  const trained = numbers(decay === undefined ? '' : '.trained', width);
  const kept = slots.map(({ name, per, first }) => numbers(`.${name}`, per === 'row' ? 1 : width, first));
  if (decay === undefined) return { weights: trained, optimizer: kept };

  const begin = average;
  const covers = begin + width;
  const words = new Uint32Array(floats.buffer);
  return {
    weights: {
      suffix: '',
      width,
      first: 0,
      // Computes the EMA as the kernels do, but leaves the row unchanged: training does not depend on reads.
      read(at, into, to) {
        const from = words[at + covers]!;
        if (from === step) {
          copyNumbers(floats, at + begin, into, to, width);
          return;
        }
        const share = shareLeft(decay, from, step);
        for (let d = 0; d < width; d++) {
          const weight = floats[at + d]!;
          into[to + d] = weight + Math.fround(share * Math.fround(floats[at + begin + d]! - weight));
        }
      },
      write(at, from, first) {
        copyNumbers(from, first, floats, at, width);
        copyNumbers(from, first, floats, at + begin, width);
        words[at + covers] = step;
      },
    },
    optimizer: [
      trained,
      ...kept,
      numbers('.average', width, 0, begin),
      {
        suffix: '.averageAge',
        width: 1,
        first: 0,
        read: (at, into, to) => (into[to] = step - words[at + covers]!),
        write: (at, from, first) => (words[at + covers] = step - from[first]!),
      },
    ],
  };
}

/** Copies a few elements; creating a view per row would take longer. */
function copyNumbers(from: Float32Array, begin: number, into: Float32Array, to: number, count: number): void {
  for (let i = 0; i < count; i++) into[to + i] = from[begin + i]!;
}
