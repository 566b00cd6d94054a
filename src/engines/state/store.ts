import type { Parameter } from '../../graph/operations.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { drawEmbeddings } from '../../tables/first-embeddings.js';
import { SINGLE_PROCESS } from '../../core/process-group.js';
import { PART_NUMBERS, listParts, countElements, type HostTensor } from '../../core/tensor.js';
import { tableTensor, type ProgramState } from '../engine.js';
import { refuseOtherTensors, type Shapes } from '../restore.js';
import { drawParameter } from '../weights.js';
import { rowsAt, type Apart } from '../cpu/apart.js';
import { WORD } from '../compile/arena.js';
import type { Laid } from '../compile/layout.js';
import { rowTensors, type RowTensor, type RowTensors } from './row-tensors.js';
import type { TablePlace } from '../compile/tables.js';

/** Columns of a matrix that lie beside each other, row by row, as products read them. */
const PANEL = 8;

/** All that training changes, where it lies. */
export interface Store {
  /**
   * A parameter's numbers, or what lies `shift` bytes beyond them: a view of a vector, some columns of a matrix, copied
   * when they are asked for.
   */
  tensorOf(parameter: Parameter, shift: number): HostTensor;
  /** Bytes from the weights to a region that lies as they do. */
  shiftTo(region: number): number;
  state(step: number): ProgramState;
  /** @throws UserError (checkpoint) for tensors of another model */
  restore(saved: ProgramState): void;
}

/** Draws first weights, and gives the way to all tensors. */
export function createStore(
  { plan: { optimizers: specs, seed, isRestored = false }, peers, graph, places, tables, denseSlots, average }: Laid,
  memory: { readonly buffer: ArrayBufferLike },
  apart: readonly Apart[] = [],
): Store {
  const floats = new Float32Array(memory.buffer);
  const dense = optimizers.build(specs.dense);
  const trained = graph.parameters.filter(({ isTrainable }) => isTrainable);
  const view = (at: number, length: number): Float32Array => floats.subarray(at / WORD, at / WORD + length);
  /** Where a matrix's column begins; from row to row it is PANEL numbers. */
  const columnAt = (at: number, inputs: number, column: number): number =>
    at / WORD + Math.floor(column / PANEL) * PANEL * inputs + (column % PANEL);
  const shiftTo = (region: number): number => region - places.weightsBegin;
  const slotShift = (s: number): number => shiftTo(denseSlots.at + s * denseSlots.gap);

  const tensorOf = (parameter: Parameter, shift: number): HostTensor => {
    const place = places.parameter(parameter);
    const { shape } = parameter;
    if (place.kind === 'vector') return { shape, data: view(place.at + shift, countElements(shape)) };
    const [inputs, width] = shape as [number, number];
    return {
      shape,
      // Many ask for shapes alone.
      get data() {
        const data = new Float32Array(countElements(shape));
        for (let n = 0; n < width; n++) {
          const column = columnAt(place.matrix.at + shift, inputs, place.column + n);
          for (let k = 0; k < inputs; k++) data[k * width + n] = floats[column + k * PANEL]!;
        }
        return data;
      },
    };
  };
  const write = (parameter: Parameter, shift: number, data: Float32Array): void => {
    const place = places.parameter(parameter);
    if (place.kind === 'vector') view(place.at + shift, data.length).set(data);
    else {
      const [inputs, width] = parameter.shape as [number, number];
      for (let n = 0; n < width; n++) {
        const column = columnAt(place.matrix.at + shift, inputs, place.column + n);
        for (let k = 0; k < inputs; k++) floats[column + k * PANEL] = data[k * width + n]!;
      }
    }
  };

  const rowsOf = ({ at }: TablePlace): ReturnType<typeof rowsAt> => rowsAt(at, floats, apart);
  const tensorsOf = (table: TablePlace, step: number): RowTensors =>
    rowTensors(table, rowsOf(table).floats, average?.decay, step);
  /** Writes this process's rows out of all. */
  const writeRows = (table: TablePlace, tensor: RowTensor, parts: Iterable<Float32Array>): void => {
    const { first } = rowsOf(table);
    const { rank, size } = table.isDealt ? peers : SINGLE_PROCESS;
    let row = 0;
    for (const part of parts) {
      for (let begin = 0; begin < part.length; begin += tensor.width, row++)
        if (row % size === rank) tensor.write(first + Math.floor(row / size) * table.stride, part, begin);
    }
  };
  const named = (table: TablePlace, { suffix, width, read }: RowTensor): [string, HostTensor] => {
    const { name, rows, stride } = table;
    const { first } = rowsOf(table);
    const readRows = (begin: number, end: number, into: Float32Array): Float32Array => {
      for (let row = begin; row < end; row++) read(first + row * stride, into, (row - begin) * width);
      return into.subarray(0, (end - begin) * width);
    };
    const tensor: HostTensor = {
      shape: [rows, width],
      // Gathered when it is asked for: a state of large tables is written one by one, and part by part.
      get data() {
        return readRows(0, rows, new Float32Array(rows * width));
      },
      *parts() {
        const most = Math.max(1, Math.min(rows, Math.floor(PART_NUMBERS / width)));
        const part = new Float32Array(most * width);
        for (let begin = 0; begin < rows; begin += most) yield readRows(begin, Math.min(begin + most, rows), part);
      },
    };
    return [tableTensor(name) + suffix, tensor];
  };
  /** Where what predictions take of a parameter lies, from its place among the weights on. */
  const usedShift = ({ isTrainable }: Parameter): number =>
    average === undefined || !isTrainable ? 0 : shiftTo(average.weights);
  const denseTensors = trained.flatMap((parameter) => [
    ...(average === undefined ? [] : [{ parameter, suffix: 'trained', shift: 0 }]),
    ...dense.slots.map(({ name }, s) => ({ parameter, suffix: name, shift: slotShift(s) })),
  ]);

  /** Of tensors that are dealt out: their rows with all processes. */
  const dealt = new Map(
    tables.all
      .filter(({ isDealt }) => isDealt)
      .flatMap((table) => {
        const { weights, optimizer } = tensorsOf(table, 0);
        return [weights, ...optimizer].map(({ suffix }) => [tableTensor(table.name) + suffix, table.allRows] as const);
      }),
  );
  const state = (step: number): ProgramState => ({
    step,
    ...(dealt.size > 0 && { dealt }),
    weights: new Map<string, HostTensor>([
      ...graph.parameters.map((parameter) => [parameter.name, tensorOf(parameter, usedShift(parameter))] as const),
      ...tables.all.map((table) => named(table, tensorsOf(table, step).weights)),
    ]),
    optimizer: new Map<string, HostTensor>([
      ...denseTensors.map(
        ({ parameter, suffix, shift }) => [`${parameter.name}.${suffix}`, tensorOf(parameter, shift)] as const,
      ),
      ...tables.all.flatMap((table) => tensorsOf(table, step).optimizer.map((tensor) => named(table, tensor))),
    ]),
  });

  /** A live state's shapes, as those of all processes together. */
  const whole = (tensors: ProgramState['weights']): Shapes =>
    new Map([...tensors].map(([name, { shape }]) => [name, { shape: shape.with(0, dealt.get(name) ?? shape[0]!) }]));

  /** Weights whose average, if one is kept, starts with them. */
  const writeWeights = (parameter: Parameter, data: Float32Array): void => {
    for (const shift of new Set([0, usedShift(parameter)])) write(parameter, shift, data);
  };

  for (const parameter of graph.parameters) writeWeights(parameter, drawParameter(parameter, seed));
  for (const parameter of trained) {
    for (const [s, { first }] of dense.slots.entries())
      if (first !== 0) write(parameter, slotShift(s), new Float32Array(countElements(parameter.shape)).fill(first));
  }
  for (const table of tables.all) {
    const { name, rows, allRows, isDealt, width, stride } = table;
    const { floats: own, first } = rowsOf(table);
    if (!isRestored)
      drawEmbeddings(name, seed, {
        data: own,
        at: first,
        rows: allRows,
        width,
        stride,
        ...(isDealt && { dealt: peers }),
      });
    const { weights, optimizer } = tensorsOf(table, 0);
    for (const tensor of optimizer.filter((each) => each.first !== 0)) {
      const values = new Float32Array(tensor.width).fill(tensor.first);
      for (let row = 0; row < rows; row++) tensor.write(first + row * stride, values, 0);
    }
    if (average !== undefined)
      for (let row = 0; row < rows; row++) weights.write(first + row * stride, own, first + row * stride);
  }

  return {
    tensorOf,
    shiftTo,
    state,
    restore(saved) {
      const live = state(0);
      refuseOtherTensors({ weights: whole(live.weights), optimizer: whole(live.optimizer) }, saved);
      const hasOptimizer = saved.optimizer.size > 0;
      for (const parameter of graph.parameters) writeWeights(parameter, saved.weights.get(parameter.name)!.data);
      for (const { parameter, suffix, shift } of hasOptimizer ? denseTensors : [])
        write(parameter, shift, saved.optimizer.get(`${parameter.name}.${suffix}`)!.data);
      for (const table of tables.all) {
        const { weights, optimizer } = tensorsOf(table, saved.step);
        writeRows(table, weights, listParts(saved.weights.get(tableTensor(table.name))!));
        for (const tensor of hasOptimizer ? optimizer : [])
          writeRows(table, tensor, listParts(saved.optimizer.get(tableTensor(table.name) + tensor.suffix)!));
      }
    },
  };
}
