import { SINGLE_PROCESS } from '../../core/process-group.js';
import { PART_NUMBERS, listParts, type HostTensor } from '../../core/tensor.js';
import { drawEmbeddings, drawRow } from '../../tables/draw-embeddings.js';
import type { RowChanges } from '../../tables/row-changes.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import { tableTensor } from '../engine.js';
import { shareLeft } from './average.js';
import type { Image } from './image.js';

/** A tensor of a state, in memory. */
export interface StoredTensor {
  readonly name: string;
  /** Whether it holds weights for predictions; otherwise it is state for resuming, to be written after them. */
  readonly isWeights: boolean;
  readonly tensor: HostTensor;
  /** Rows over all processes, if the tensor is sharded: it has the rows of this process. */
  readonly allRows?: number;
  /** Writes this process's elements of a whole tensor. */
  write(whole: HostTensor): void;
}

/** A tensor in the rows of a table. */
interface RowTensor {
  /** Suffix of the tensor's name, after the table's name; empty for the weights for predictions. */
  readonly suffix: string;
  readonly width: number;
  /** Words of a row, in memory and in the data of the tensor: `width`, unless the rows are quantized. */
  readonly words: number;
  /** Initial value, if the elements are neither 0 nor random. */
  readonly first: number;
  /**
   * Reads the elements of a row.
   * @param at offset of the row, in floats
   */
  read(at: number, into: Float32Array, to: number): void;
  write(at: number, from: Float32Array, begin: number): void;
}

/** Suffixes of the tensors of an EMA. */
const [TRAINED, AVERAGE, AVERAGE_AGE] = ['.trained', '.average', '.averageAge'] as const;
const EMA_SUFFIXES: readonly string[] = [TRAINED, AVERAGE, AVERAGE_AGE];

/** Initializes the tables of a plan, with their EMA and optimizer state; of those that grow, the initial rows. */
export function initializeTables(layout: Layout, { rowsOf }: Image): void {
  const { plan, peers, tables, average } = layout;
  for (const table of tables.all) {
    const { name, allRows: all, isSharded, width, stride, initialRows } = table;
    const { floats: data, first: at } = rowsOf(table);
    const drawn = { data, at, rows: initialRows ?? all, width, stride, dealt: isSharded ? peers : SINGLE_PROCESS };
    if (plan.isRestored !== true) drawEmbeddings(name, plan.seed, drawn);
    const rows = initialRows ?? table.rows;
    const decay = decayOf(table, average);
    for (const { suffix, width: count, first, write } of rowTensors(table, data, decay, 0)) {
      const isAverage = suffix === '' && decay !== undefined;
      if (!isAverage && first === 0) continue;
      const values = new Float32Array(count).fill(first);
      // The EMA starts from the weights.
      for (let row = at; row < at + rows * stride; row += stride)
        write(row, isAverage ? data : values, isAverage ? row : 0);
    }
  }
}

/** Rows of a table that represents ids, by the name of the table, if that grows. */
export type UsedRows = ReadonlyMap<string, number>;

/**
 * Clears rows of a growing table, and initializes those with a new id.
 * @param step number of steps taken
 */
export function changeTableRows(
  layout: Layout,
  { rowsOf }: Image,
  table: TablePlace,
  { cleared, admitted, batch }: RowChanges,
  step: number,
): void {
  const { plan, average } = layout;
  const { name, width, stride } = table;
  const { floats, first } = rowsOf(table);
  const drawn = new Float32Array(width);
  const tensors = rowTensors(table, floats, decayOf(table, average), step)
    .filter(isInitialized)
    .map((tensor) => ({ tensor, values: new Float32Array(tensor.width).fill(tensor.first) }));
  for (const row of cleared) for (const { tensor, values } of tensors) tensor.write(first + row * stride, values, 0);
  for (const row of admitted) {
    drawRow(name, plan.seed, { row, batch }, drawn, width);
    for (const { tensor, values } of tensors)
      tensor.write(first + row * stride, tensor.suffix === '' ? drawn : values, 0);
  }
}

/** Returns whether a tensor has initial values of its own: weights for predictions set trained ones and the EMA. */
function isInitialized({ suffix }: RowTensor): boolean {
  return !EMA_SUFFIXES.includes(suffix);
}

/** Lists the tensors of all tables after a number of steps. */
export function listTableTensors(
  layout: Layout,
  { rowsOf }: Image,
  step: number,
  usedRows: UsedRows,
): readonly StoredTensor[] {
  const { tables, peers, average } = layout;
  return tables.all.flatMap((table) => {
    const { name, allRows, isSharded, stride } = table;
    const { floats, first } = rowsOf(table);
    const { rank, size } = isSharded ? peers : SINGLE_PROCESS;
    return rowTensors(table, floats, decayOf(table, average), step).map((rowTensor) => ({
      name: tableTensor(name) + rowTensor.suffix,
      isWeights: rowTensor.suffix === '',
      tensor: hostTensor(usedRows.get(name) ?? table.rows, stride, first, rowTensor),
      ...(isSharded && { allRows }),
      write(whole: HostTensor) {
        // Rows that are read in place have these values.
        if (whole.parts === undefined && isInPlace(whole.data, floats)) return;
        let row = 0;
        for (const part of listParts(whole))
          for (let begin = 0; begin < part.length; begin += rowTensor.words, row++)
            if (row % size === rank) rowTensor.write(first + Math.floor(row / size) * stride, part, begin);
      },
    }));
  });
}

/** Returns whether elements belong to a table with spare rows after them. */
function isInPlace(data: Float32Array, floats: Float32Array): boolean {
  return data.buffer === floats.buffer && data.byteOffset === floats.byteOffset;
}

/** Returns the decay of a table's EMA; undefined without one. Frozen rows are their own average. */
function decayOf({ isFrozen }: TablePlace, average: Layout['average']): number | undefined {
  return isFrozen === true ? undefined : average?.decay;
}

/** Returns access to the rows of a tensor; the first is at index `first`. */
function hostTensor(rows: number, stride: number, first: number, { width, words, read }: RowTensor): HostTensor {
  const readRows = (begin: number, end: number, into: Float32Array): Float32Array => {
    for (let row = begin; row < end; row++) read(first + row * stride, into, (row - begin) * words);
    return into.subarray(0, (end - begin) * words);
  };
  return {
    shape: [rows, width],
    // Gathered on demand: a state of large tables is written one tensor and one part at a time.
    get data() {
      return readRows(0, rows, new Float32Array(rows * words));
    },
    gather(numbers) {
      const gathered = new Float32Array(numbers.length * words);
      for (const [r, row] of numbers.entries()) read(first + row * stride, gathered, r * words);
      return gathered;
    },
    *parts() {
      const most = Math.max(1, Math.min(rows, Math.floor(PART_NUMBERS / words)));
      const part = new Float32Array(most * words);
      for (let begin = 0; begin < rows; begin += most) yield readRows(begin, Math.min(begin + most, rows), part);
    },
  };
}

/**
 * Describes the tensors in the rows of a table after a number of steps.
 * @param decay of the EMA, if there is one
 */
function rowTensors(
  { width, rowWords, format, average, update }: TablePlace,
  floats: Float32Array,
  decay: number | undefined,
  step: number,
): readonly RowTensor[] {
  if (format !== 'f32') return [quantizedRows(floats, width, rowWords)];
  let end = width;
  const trained = elementsOf(floats, decay === undefined ? '' : TRAINED, 0, width);
  const slots = update.optimizer.slots.map(({ name, per, first }) => {
    const count = per === 'row' ? 1 : width;
    return elementsOf(floats, `.${name}`, (end += count) - count, count, first);
  });
  if (decay === undefined) return [trained, ...slots];
  const averages = elementsOf(floats, AVERAGE, average, width);
  const words = new Uint32Array(floats.buffer);
  const covers = average + width;
  const weights: RowTensor = {
    ...averages,
    suffix: '',
    // Computes the EMA as the kernels do, but leaves the row unchanged: training does not depend on reads.
    read(at, into, to) {
      averages.read(at, into, to);
      const from = words[at + covers]!;
      if (from === step) return;
      const share = shareLeft(decay, from, step);
      for (let d = 0; d < width; d++) {
        const weight = floats[at + d]!;
        into[to + d] = weight + Math.fround(share * Math.fround(into[to + d]! - weight));
      }
    },
    write(at, from, begin) {
      trained.write(at, from, begin);
      averages.write(at, from, begin);
      words[at + covers] = step;
    },
  };
  const age: RowTensor = {
    suffix: AVERAGE_AGE,
    width: 1,
    words: 1,
    first: 0,
    read: (at, into, to) => (into[to] = step - words[at + covers]!),
    write: (at, from, begin) => (words[at + covers] = step - from[begin]!),
  };
  return [weights, trained, ...slots, averages, age];
}

/** Describes consecutive elements of a row. */
function elementsOf(floats: Float32Array, suffix: string, offset: number, width: number, first = 0): RowTensor {
  return {
    suffix,
    width,
    words: width,
    first,
    read: (at, into, to) => copyNumbers(floats, at + offset, into, to, width),
    write: (at, from, begin) => copyNumbers(from, begin, floats, at + offset, width),
  };
}

/** Describes quantized rows. A copy element by element would change bits that are a signaling NaN as a float. */
function quantizedRows(floats: Float32Array, width: number, words: number): RowTensor {
  return {
    suffix: '',
    width,
    words,
    first: 0,
    read: (at, into, to) => into.set(floats.subarray(at, at + words), to),
    write: (at, from, begin) => floats.set(from.subarray(begin, begin + words), at),
  };
}

/** Copies a few elements; creating a view per row would take longer. */
function copyNumbers(from: Float32Array, begin: number, into: Float32Array, to: number, count: number): void {
  for (let i = 0; i < count; i++) into[to + i] = from[begin + i]!;
}
