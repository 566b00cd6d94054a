import type { Parameter } from '../../graph/operations.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { drawEmbeddings } from '../../tables/first-embeddings.js';
import { SINGLE_PROCESS } from '../../core/process-group.js';
import { PART_NUMBERS, listParts, countElements, type HostTensor } from '../../core/tensor.js';
import { tableTensor, type ProgramState } from '../engine.js';
import { refuseOtherTensors, type Shapes } from '../restore.js';
import { drawParameter } from '../weights.js';
import { shift, type Ref } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { Image } from './image.js';
import { rowTensors, type RowTensor, type RowTensors } from './row-tensors.js';
import type { TablePlace } from '../compile/tables.js';

/** Columns of a panel: a matrix is stored in panels, each row by row, as products read them. */
const PANEL = 8;

/** All tensors that training changes, in memory. */
export interface Store {
  /**
   * Returns a parameter's elements in a region that is laid out like the weights, by default the weights: a view of a
   * vector, or a copy of a matrix, made when its data is read.
   */
  tensorOf(parameter: Parameter, region?: Ref): HostTensor;
  state(step: number): ProgramState;
  /**
   * Restores a state.
   * @throws UserError (checkpoint) for tensors of another model
   */
  restore(saved: ProgramState): void;
}

/** Initializes the weights, and gives access to all tensors. */
export function createStore(layout: Layout, { floats, wordAt, rowsOf: rowsOfTable }: Image): Store {
  const { plan, peers, graph, places, tables, denseSlots, average } = layout;
  const { optimizers: specs, seed, isRestored = false } = plan;
  const dense = optimizers.build(specs.dense);
  const trained = graph.parameters.filter(({ isTrainable }) => isTrainable);
  /** Index of a matrix's column; elements of a column are PANEL apart. */
  const columnAt = (at: number, inputs: number, column: number): number =>
    at + Math.floor(column / PANEL) * PANEL * inputs + (column % PANEL);
  /** Index of weights, or of their elements in a region that is laid out like them. */
  const indexOf = (ref: Ref, region: Ref | undefined): number =>
    region === undefined || ref.buffer !== places.weights.buffer ? wordAt(ref) : wordAt(region) + ref.offset;
  const slotRegion = (s: number): Ref => shift(denseSlots.at, s * places.weightsCount);

  const tensorOf = (parameter: Parameter, region?: Ref): HostTensor => {
    const place = places.parameter(parameter);
    const { shape } = parameter;
    if (place.kind === 'vector') {
      const begin = indexOf(place.at, region);
      return { shape, data: floats.subarray(begin, begin + countElements(shape)) };
    }
    const [inputs, width] = shape as [number, number];
    return {
      shape,
      // Many callers read only shapes.
      get data() {
        const begin = indexOf(place.matrix.at, region);
        const data = new Float32Array(countElements(shape));
        for (let n = 0; n < width; n++) {
          const column = columnAt(begin, inputs, place.column + n);
          for (let k = 0; k < inputs; k++) data[k * width + n] = floats[column + k * PANEL]!;
        }
        return data;
      },
    };
  };
  const write = (parameter: Parameter, region: Ref | undefined, data: Float32Array): void => {
    const place = places.parameter(parameter);
    if (place.kind === 'vector') floats.set(data, indexOf(place.at, region));
    else {
      const begin = indexOf(place.matrix.at, region);
      const [inputs, width] = parameter.shape as [number, number];
      for (let n = 0; n < width; n++) {
        const column = columnAt(begin, inputs, place.column + n);
        for (let k = 0; k < inputs; k++) floats[column + k * PANEL] = data[k * width + n]!;
      }
    }
  };

  const tensorsOf = (table: TablePlace, step: number): RowTensors =>
    rowTensors(table, rowsOfTable(table).floats, average?.decay, step);
  /** Writes this process's rows out of all. */
  const writeRows = (table: TablePlace, tensor: RowTensor, parts: Iterable<Float32Array>): void => {
    const { first } = rowsOfTable(table);
    const { rank, size } = table.isDealt ? peers : SINGLE_PROCESS;
    let row = 0;
    for (const part of parts) {
      for (let begin = 0; begin < part.length; begin += tensor.width, row++)
        if (row % size === rank) tensor.write(first + Math.floor(row / size) * table.stride, part, begin);
    }
  };
  const named = (table: TablePlace, { suffix, width, read }: RowTensor): [string, HostTensor] => {
    const { name, rows, stride } = table;
    const { first } = rowsOfTable(table);
    const readRows = (begin: number, end: number, into: Float32Array): Float32Array => {
      for (let row = begin; row < end; row++) read(first + row * stride, into, (row - begin) * width);
      return into.subarray(0, (end - begin) * width);
    };
    const tensor: HostTensor = {
      shape: [rows, width],
      // Gathered on demand: a state of large tables is written one tensor and one part at a time.
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
  /** Returns the region of the weights that predictions use. */
  const usedRegion = ({ isTrainable }: Parameter): Ref | undefined => (isTrainable ? average?.weights : undefined);
  const denseTensors = trained.flatMap((parameter) => [
    ...(average === undefined ? [] : [{ parameter, suffix: 'trained', region: undefined }]),
    ...dense.slots.map(({ name }, s) => ({ parameter, suffix: name, region: slotRegion(s) })),
  ]);

  /** Total rows of sharded tensors. */
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
      ...graph.parameters.map((parameter) => [parameter.name, tensorOf(parameter, usedRegion(parameter))] as const),
      ...tables.all.map((table) => named(table, tensorsOf(table, step).weights)),
    ]),
    optimizer: new Map<string, HostTensor>([
      ...denseTensors.map(
        ({ parameter, suffix, region }) => [`${parameter.name}.${suffix}`, tensorOf(parameter, region)] as const,
      ),
      ...tables.all.flatMap((table) => tensorsOf(table, step).optimizer.map((tensor) => named(table, tensor))),
    ]),
  });

  /** Returns the shapes of a live state over all processes. */
  const whole = (tensors: ProgramState['weights']): Shapes =>
    new Map([...tensors].map(([name, { shape }]) => [name, { shape: shape.with(0, dealt.get(name) ?? shape[0]!) }]));

  /** Writes weights, from which their EMA restarts if there is one. */
  const writeWeights = (parameter: Parameter, data: Float32Array): void => {
    for (const region of new Set([undefined, usedRegion(parameter)])) write(parameter, region, data);
  };

  for (const parameter of graph.parameters) writeWeights(parameter, drawParameter(parameter, seed));
  for (const parameter of trained) {
    for (const [s, { first }] of dense.slots.entries())
      if (first !== 0) write(parameter, slotRegion(s), new Float32Array(countElements(parameter.shape)).fill(first));
  }
  for (const table of tables.all) {
    const { name, rows, allRows, isDealt, width, stride } = table;
    const { floats: own, first } = rowsOfTable(table);
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
    state,
    restore(saved) {
      const live = state(0);
      refuseOtherTensors({ weights: whole(live.weights), optimizer: whole(live.optimizer) }, saved);
      const hasOptimizer = saved.optimizer.size > 0;
      for (const parameter of graph.parameters) writeWeights(parameter, saved.weights.get(parameter.name)!.data);
      for (const { parameter, suffix, region } of hasOptimizer ? denseTensors : [])
        write(parameter, region, saved.optimizer.get(`${parameter.name}.${suffix}`)!.data);
      for (const table of tables.all) {
        const { weights, optimizer } = tensorsOf(table, saved.step);
        writeRows(table, weights, listParts(saved.weights.get(tableTensor(table.name))!));
        for (const tensor of hasOptimizer ? optimizer : [])
          writeRows(table, tensor, listParts(saved.optimizer.get(tableTensor(table.name) + tensor.suffix)!));
      }
    },
  };
}
