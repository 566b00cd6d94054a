import type { Parameter } from '../../graph/operations.js';
import { optimizers } from '../../optimizers/optimizers.js';
import type { Slot } from '../../optimizers/optimizer.js';
import { drawEmbeddings } from '../../tables/first-embeddings.js';
import { sizeOf, type HostTensor } from '../../tensor.js';
import { tableTensor, type ProgramState } from '../engine.js';
import { refuseOtherTensors } from '../restore.js';
import { drawParameter } from '../weights.js';
import { WORD } from './arena.js';
import type { Laid } from './lay-out.js';
import type { TablePlace } from './tables.js';

/** All that training changes, where it lies in the kernels' memory. */
export interface Store {
  /** A parameter's numbers, or what lies `shift` bytes beyond them: a view of a vector, a copy of some columns of a matrix. */
  tensorOf(parameter: Parameter, shift: number): HostTensor;
  /** Bytes from the weights to a region that lies as they do. */
  shiftTo(region: number): number;
  state(step: number): ProgramState;
  /** @throws UserError (checkpoint) for tensors of another model */
  restore(saved: ProgramState): void;
}

/** What lies in a row of a table: the weights, or a slot. */
interface Block {
  readonly suffix: string;
  readonly begin: number;
  readonly width: number;
  readonly first: number;
}

/** Draws first weights, and gives the way to all tensors. */
export function createStore({ plan: { optimizers: specs, seed }, graph, places, tables, denseSlots }: Laid, memory: WebAssembly.Memory): Store {
  const floats = new Float32Array(memory.buffer);
  const [dense, sparse] = [optimizers.build(specs.dense), optimizers.build(specs.embeddings)];
  const trained = graph.parameters.filter(({ isTrainable }) => isTrainable);
  const view = (at: number, length: number): Float32Array => floats.subarray(at / WORD, at / WORD + length);
  const elementAt = (at: number, inputs: number, n: number, k: number): number => at / WORD + ((n >> 3) * inputs + k) * 8 + (n & 7);
  const shiftTo = (region: number): number => region - places.weightsBegin;
  const slotShift = (s: number): number => shiftTo(denseSlots.at + s * denseSlots.gap);

  const tensorOf = (parameter: Parameter, shift: number): HostTensor => {
    const place = places.parameter(parameter);
    const { shape } = parameter;
    if (place.kind === 'vector') return { shape, data: view(place.at + shift, sizeOf(shape)) };
    const [inputs, width] = shape as [number, number];
    const data = new Float32Array(sizeOf(shape));
    for (let k = 0; k < inputs; k++) for (let n = 0; n < width; n++) data[k * width + n] = floats[elementAt(place.matrix.at + shift, inputs, place.column + n, k)]!;
    return { shape, data };
  };
  const write = (parameter: Parameter, shift: number, data: Float32Array): void => {
    const place = places.parameter(parameter);
    if (place.kind === 'vector') view(place.at + shift, data.length).set(data);
    else {
      const [inputs, width] = parameter.shape as [number, number];
      for (let k = 0; k < inputs; k++) for (let n = 0; n < width; n++) floats[elementAt(place.matrix.at + shift, inputs, place.column + n, k)] = data[k * width + n]!;
    }
  };

  const forEachRow = ({ at, rows, stride }: TablePlace, { begin }: Block, visit: (at: number, row: number) => void): void => {
    for (let row = 0; row < rows; row++) visit(at / WORD + row * stride + begin, row);
  };
  const blocksOf = (table: TablePlace): readonly [Block, ...Block[]] => {
    let begin = table.width;
    const slotBlock = ({ name, per, first }: Slot): Block => {
      const block = { suffix: `.${name}`, begin, width: per === 'row' ? 1 : table.width, first };
      begin += block.width;
      return block;
    };
    return [{ suffix: '', begin: 0, width: table.width, first: 0 }, ...sparse.slots.map(slotBlock)];
  };
  const tableTensors = (choose: (blocks: readonly [Block, ...Block[]]) => readonly Block[]): [string, HostTensor][] =>
    tables.all.flatMap((table) =>
      choose(blocksOf(table)).map((block): [string, HostTensor] => [
        tableTensor(table.name) + block.suffix,
        {
          shape: [table.rows, block.width],
          // Gathered when it is asked for: a state of large tables is written one by one.
          get data() {
            const data = new Float32Array(table.rows * block.width);
            forEachRow(table, block, (at, row) => data.set(floats.subarray(at, at + block.width), row * block.width));
            return data;
          },
        },
      ]),
    );

  const state = (step: number): ProgramState => ({
    step,
    weights: new Map<string, HostTensor>([...graph.parameters.map((parameter) => [parameter.name, tensorOf(parameter, 0)] as const), ...tableTensors(([weights]) => [weights])]),
    optimizer: new Map<string, HostTensor>([
      ...trained.flatMap((parameter) => dense.slots.map(({ name }, s) => [`${parameter.name}.${name}`, tensorOf(parameter, slotShift(s))] as const)),
      ...tableTensors(([, ...slots]) => slots),
    ]),
  });

  for (const parameter of graph.parameters) write(parameter, 0, drawParameter(parameter, seed));
  for (const parameter of trained) {
    for (const [s, { first }] of dense.slots.entries()) if (first !== 0) write(parameter, slotShift(s), new Float32Array(sizeOf(parameter.shape)).fill(first));
  }
  for (const table of tables.all) {
    const { name, at, rows, width, stride } = table;
    drawEmbeddings(name, seed, { data: floats, at: at / WORD, rows, width, stride });
    for (const block of blocksOf(table)) if (block.first !== 0) forEachRow(table, block, (begin) => floats.fill(block.first, begin, begin + block.width));
  }

  return {
    tensorOf, shiftTo, state,
    restore(saved) {
      refuseOtherTensors(state(0), saved);
      const hasOptimizer = saved.optimizer.size > 0;
      for (const parameter of graph.parameters) write(parameter, 0, saved.weights.get(parameter.name)!.data);
      for (const parameter of hasOptimizer ? trained : []) {
        dense.slots.forEach(({ name }, s) => write(parameter, slotShift(s), saved.optimizer.get(`${parameter.name}.${name}`)!.data));
      }
      for (const table of tables.all) {
        const [weights, ...slots] = blocksOf(table);
        for (const block of hasOptimizer ? [weights, ...slots] : [weights]) {
          const { data } = (block === weights ? saved.weights : saved.optimizer).get(tableTensor(table.name) + block.suffix)!;
          forEachRow(table, block, (at, row) => floats.set(data.subarray(row * block.width, (row + 1) * block.width), at));
        }
      }
    },
  };
}
