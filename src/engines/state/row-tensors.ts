import { shareLeft } from './average.js';
import type { TablePlace } from '../compile/tables.js';

/** A tensor of a table in a state: so many numbers a row, from and to the row's place in the kernels' memory. */
export interface RowTensor {
  /** Behind the table's name. */
  readonly suffix: string;
  readonly width: number;
  /** Its numbers before the first step, where they are not 0 or drawn. */
  readonly first: number;
  /** @param at of the row, in floats */
  read(at: number, into: Float32Array, to: number): void;
  write(at: number, from: Float32Array, begin: number): void;
}

/** The tensors of a table: the weights as predictions take them, and what it takes to go on. */
export interface RowTensors {
  readonly weights: RowTensor;
  readonly optimizer: readonly RowTensor[];
}

/**
 * The tensors that lie in the rows of a table after so many steps.
 * @param decay of the average, where there is one
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
      // As the kernels bring a row's average up to date, which stays as it is here: what training goes on with does not
      // depend on who looks.
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

/** A few numbers: a view for each row would take longer than all of them. */
function copyNumbers(from: Float32Array, begin: number, into: Float32Array, to: number, count: number): void {
  for (let i = 0; i < count; i++) into[to + i] = from[begin + i]!;
}
