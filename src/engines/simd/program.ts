import { column, type Batch } from '../../batch.js';
import { drawEmbeddings } from '../../tables/first-embeddings.js';
import type { Parameter } from '../../graph/operations.js';
import { optimizers } from '../../optimizers/optimizers.js';
import { streamKey } from '../../random.js';
import { sizeOf, type HostTensor } from '../../tensor.js';
import { refusedLosses, tableTensor, type Plan, type Program, type ProgramState, type TermLoss } from '../engine.js';
import { refuseOtherTensors } from '../restore.js';
import { drawParameter } from '../weights.js';
import { WORD } from './arena.js';
import { createBagLoader, itemsOf } from './bags.js';
import { compile, type TablePlace } from './compile.js';
import type { Mode } from './lowering.js';
import { createMemory, instantiate, type KernelModule } from './module.js';
import { toFours, type Place } from './places.js';
import { createTeam, type CallObserver } from './team.js';

/** Below this lies what belongs to the kernels themselves. */
const BEGIN = 65_536;
/** Rows that are predicted at a time, at the least. */
const MIN_ROWS = 1024;

/** Compiles a plan into one memory and a list of kernel calls over it. */
export function compileProgram({ module }: KernelModule, plan: Plan, threads: number, onCall?: CallObserver): Program {
  const { graph, layout, seed } = plan;
  const dense = optimizers.build(plan.optimizers.dense);
  const sparse = optimizers.build(plan.optimizers.embeddings);
  const { maxRows, numSlots } = roomOf(plan);
  const compiled = compile(plan, BEGIN, maxRows, numSlots);
  const { arena, places, tables, lists } = compiled;
  const memory = createMemory(arena.bytes);
  if (instantiate(module, memory).heapBase() > BEGIN) throw new Error('the kernels need more room of their own');
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const doubles = new Float64Array(memory.buffer);
  const view = (at: number, length: number): Float32Array => floats.subarray(at / WORD, at / WORD + length);
  const rowWork = places.groups.reduce((sum, { matrix }) => sum + 3 * matrix.inputs * matrix.panels * 8, 0);
  const team = createTeam({ module, memory, lists, barrier: BEGIN, threads, rowWork, onCall });
  const bags = createBagLoader(memory, compiled.bags, arena.bytes);
  let step = 0;

  for (const { running, width } of graph.values.flatMap((value) => (value.op === 'activation' ? [value] : []))) {
    if (running !== undefined) view(arena.take(`ones ${width}`, toFours(width)), width).fill(1);
  }
  for (const { name, at, rows, width, stride } of tables) drawEmbeddings(name, seed, { data: floats, at: at / WORD, rows, width, stride });

  /** A parameter's numbers, or what lies `shift` bytes beyond them: a view of a vector, a copy of some columns of a matrix. */
  const tensorOf = (parameter: Parameter, shift: number): HostTensor => {
    const place = places.parameter(parameter);
    const { shape } = parameter;
    if (place.kind === 'vector') return { shape, data: view(place.at + shift, shape[0]!) };
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
  const elementAt = (at: number, inputs: number, n: number, k: number): number => at / WORD + ((n >> 3) * inputs + k) * 8 + (n & 7);
  const shiftTo = (region: number): number => region - places.weightsBegin;
  const trained = graph.parameters.filter(({ isTrainable }) => isTrainable);
  const running = view(compiled.running.at, compiled.running.length);
  const runningBefore = running.slice();
  /** Column blocks of the tables: the weights, then each slot. */
  const blocks = [undefined, ...sparse.slots];
  const tableTensors = (block: number): [string, HostTensor][] =>
    tables.map((table) => [
      nameOf(table, block),
      {
        shape: [table.rows, table.width],
        // Gathered when it is asked for: a state of large tables is written one by one.
        get data() {
          const data = new Float32Array(table.rows * table.width);
          forEachRow(table, block, (at, row) => data.set(floats.subarray(at, at + table.width), row * table.width));
          return data;
        },
      },
    ]);
  const nameOf = ({ name }: TablePlace, block: number): string => tableTensor(name) + (blocks[block] === undefined ? '' : `.${blocks[block]}`);
  const forEachRow = ({ at, rows, width, stride }: TablePlace, block: number, visit: (at: number, row: number) => void): void => {
    for (let row = 0; row < rows; row++) visit(at / WORD + row * stride + block * width, row);
  };

  const state = (): ProgramState => ({
    step,
    weights: new Map<string, HostTensor>([...graph.parameters.map((parameter) => [parameter.name, tensorOf(parameter, 0)] as const), ...tableTensors(0)]),
    optimizer: new Map<string, HostTensor>([
      ...trained.flatMap((parameter) => dense.slots.map((slot, s) => [`${parameter.name}.${slot}`, tensorOf(parameter, shiftTo(compiled.denseSlots[s]!))] as const)),
      ...sparse.slots.flatMap((_, s) => tableTensors(s + 1)),
    ]),
  });

  for (const parameter of graph.parameters) write(parameter, 0, drawParameter(parameter, seed));

  // Where a batch goes, found once: a step only copies.
  const fieldsOf = (kind: 'id' | 'number'): { field: string; at: number }[] =>
    layout.columns.flatMap((columns) => (columns.kind === kind ? [{ field: columns.field, at: compiled.column(kind, columns.field) / WORD }] : []));
  const [idFields, numberFields] = [fieldsOf('id'), fieldsOf('number')];
  const labels = graph.values.flatMap((value) => (value.op === 'input' && value.source.kind === 'label' ? [{ name: value.source.column, at: places.of(value).at / WORD }] : []));
  const keyCounts = tables.map(({ name, rows, count }) => {
    const readers = layout.columns.filter((columns) => columns.kind !== 'number' && columns.table === name);
    const bagFields = readers.filter(({ kind }) => kind === 'bag').map(({ field }) => field);
    return { at: count / WORD + 2, most: rows, fields: readers.length - bagFields.length, bagFields };
  });

  /** Copies rows `begin` to `begin + rows` of a batch to where the calls read them. */
  const load = (batch: Batch, begin: number, rows: number): void => {
    for (const { field, at } of idFields) words.set(column(batch.ids, field).subarray(begin, begin + rows), at);
    for (const { field, at } of numberFields) floats.set(column(batch.numbers, field).subarray(begin, begin + rows), at);
    for (const { name, at } of labels) {
      const values = batch.labels.get(name);
      if (values !== undefined) floats.set(values.subarray(begin, begin + rows), at);
    }
    bags.load(batch, begin, rows);
    for (const { at, most, fields, bagFields } of keyCounts) {
      let keys = fields * rows;
      for (const field of bagFields) keys += itemsOf(column(batch.bags, field), begin, rows);
      words[at] = Math.min(most, keys);
    }
  };

  const run = (mode: Mode, batch: Batch): void => {
    if (batch.rows > maxRows) throw new Error(`a batch of ${batch.rows} rows, where ${maxRows} were planned`);
    load(batch, 0, batch.rows);
    for (const [id, at] of compiled.dropoutKeys) words[at / WORD] = streamKey(seed, 'dropout', id, step);
    dense.constantsAt(step + 1).forEach((value, i) => (floats[compiled.constants / WORD + i] = value));
    sparse.constantsAt(step + 1).forEach((value, i) => (floats[compiled.constants / WORD + 16 + i] = value));
    words[compiled.refused / WORD] = 0;
    team.run(mode, batch.rows);
  };

  const lossesOf = (): Map<string, TermLoss> =>
    new Map([...compiled.losses].map(([name, at]) => [name, { mean: doubles[at / 8]!, rows: doubles[at / 8 + 1]! }]));

  const firstColumn = ({ at, ld }: Place, rows: number, into: Float32Array, begin: number): void => {
    for (let b = 0; b < rows; b++) into[begin + b] = floats[at / WORD + b * ld]!;
  };

  return {
    trainStep(batch) {
      runningBefore.set(running);
      run('train', batch);
      // The kernels have updated nothing then; what the forward pass moves is put back.
      const isRefused = words[compiled.refused / WORD] === 1;
      if (isRefused) running.set(runningBefore);
      else step++;
      return Promise.resolve(isRefused ? refusedLosses(lossesOf()) : lossesOf());
    },

    predict(batch) {
      const results = new Map([...compiled.predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
      for (let begin = 0; begin < batch.rows; begin += maxRows) {
        const rows = Math.min(maxRows, batch.rows - begin);
        load(batch, begin, rows);
        team.run('predict', rows);
        for (const [task, place] of compiled.predictions) firstColumn(place, rows, results.get(task)!, begin);
      }
      return Promise.resolve(results);
    },

    inspect(batch) {
      run('inspect', batch);
      const predictions = new Map<string, Float32Array>();
      for (const [task, place] of compiled.predictions) {
        const values = new Float32Array(batch.rows);
        firstColumn(place, batch.rows, values, 0);
        predictions.set(task, values);
      }
      const gradients = new Map<string, HostTensor>();
      for (const parameter of trained) {
        const { shape, data } = tensorOf(parameter, shiftTo(compiled.denseGradients));
        gradients.set(parameter.name, { shape, data: data.slice() });
      }
      for (const { name, rows, width, distinct, gradients: at, count } of tables) {
        const data = new Float32Array(rows * width);
        for (let u = 0; u < words[count / WORD]!; u++) data.set(view(at + u * width * WORD, width), words[distinct / WORD + u]! * width);
        gradients.set(tableTensor(name), { shape: [rows, width], data });
      }
      return Promise.resolve({ losses: lossesOf(), predictions, gradients });
    },

    state,
    restore(saved) {
      refuseOtherTensors(state(), saved);
      const hasOptimizer = saved.optimizer.size > 0;
      for (const parameter of graph.parameters) write(parameter, 0, saved.weights.get(parameter.name)!.data);
      for (const parameter of hasOptimizer ? trained : []) {
        dense.slots.forEach((slot, s) => write(parameter, shiftTo(compiled.denseSlots[s]!), saved.optimizer.get(`${parameter.name}.${slot}`)!.data));
      }
      for (const table of tables) {
        for (const block of hasOptimizer ? blocks.keys() : [0]) {
          const { data } = (block === 0 ? saved.weights : saved.optimizer).get(nameOf(table, block))!;
          forEachRow(table, block, (at, row) => floats.set(data.subarray(row * table.width, (row + 1) * table.width), at));
        }
      }
      step = saved.step;
    },
    dispose: () => team.end(),
  };
}

/** Bytes of a plan's memory but for weights and optimizer. */
export function activationBytes(plan: Plan): number {
  const { numSlots, maxRows } = roomOf(plan);
  const { arena, places, tables } = compile(plan, BEGIN, maxRows, numSlots);
  const trained = tables.reduce((sum, { rows, stride }) => sum + rows * stride, 0) + places.weightsCount * (1 + numSlots);
  return arena.bytes - trained * WORD;
}

/** What a plan's memory is laid out for. */
function roomOf({ optimizers: { dense }, batchRows = MIN_ROWS }: Plan): { readonly numSlots: number; readonly maxRows: number } {
  return { numSlots: optimizers.build(dense).slots.length, maxRows: Math.max(batchRows, MIN_ROWS) };
}
