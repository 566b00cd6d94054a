import type { Batch } from '../../batch.js';
import { streamKey } from '../../random.js';
import type { HostTensor } from '../../tensor.js';
import { refusedLosses, tableTensor, type Plan, type Program, type TermLoss } from '../engine.js';
import { WORD } from './arena.js';
import { BEGIN, compile } from './compile.js';
import { createConstantsWriter } from './constants.js';
import { createLoader } from './load.js';
import { createMemory, instantiate, type KernelModule } from './module.js';
import { toFours, type Place } from './places.js';
import { createStore } from './store.js';
import { createTeam, type CallObserver } from './team.js';

/** Compiles a plan into one memory and lists of kernel calls over it. */
export function compileProgram({ module }: KernelModule, plan: Plan, threads: number, onCall?: CallObserver): Program {
  const { graph, seed } = plan;
  const compiled = compile(plan);
  const { arena, places, tables, lists, terms } = compiled;
  const { maxRows } = places;
  const memory = createMemory(arena.bytes);
  if (instantiate(module, memory).heapBase() > BEGIN) throw new Error('the kernels need more room of their own');
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const doubles = new Float64Array(memory.buffer);
  const view = (at: number, length: number): Float32Array => floats.subarray(at / WORD, at / WORD + length);
  const rowWork = places.groups.reduce((sum, { matrix }) => sum + 3 * matrix.inputs * matrix.panels * 8, 0);
  const team = createTeam({ module, memory, lists, barrier: BEGIN, threads, rowWork, onCall });
  const load = createLoader(compiled, memory);
  const store = createStore(compiled, memory, seed);
  const writeConstants = createConstantsWriter(compiled, floats);
  const running = view(compiled.running.at, compiled.running.length);
  const runningBefore = running.slice();
  let step = 0;

  for (const { running: normalisation, width } of graph.values.flatMap((value) => (value.op === 'activation' ? [value] : []))) {
    if (normalisation !== undefined) view(arena.take(`ones ${width}`, toFours(width)), width).fill(1);
  }
  for (const { name, weight } of graph.terms) floats[terms.get(name)!.weight / WORD] = weight;
  words[tables.fresh / WORD] = 1;

  const run = (mode: 'train' | 'inspect', batch: Batch): void => {
    load(batch, 0, batch.rows);
    for (const [name, at] of compiled.dropoutKeys) words[at / WORD] = streamKey(seed, 'dropout', name, step);
    writeConstants(step + 1, { dense: 1, embeddings: 1 });
    words[compiled.refused / WORD] = 0;
    team.run(mode, batch.rows);
  };

  const lossesOf = (): Map<string, TermLoss> =>
    new Map([...terms].map(([name, { loss }]) => [name, { mean: doubles[loss / 8]!, rows: doubles[loss / 8 + 1]! }]));

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
      for (const parameter of graph.parameters.filter(({ isTrainable }) => isTrainable)) {
        const { shape, data } = store.tensorOf(parameter, store.shiftTo(compiled.denseGradients));
        gradients.set(parameter.name, { shape, data: data.slice() });
      }
      for (const { name, rows, width, distinct, gradients: at, count } of tables.all) {
        const data = new Float32Array(rows * width);
        for (let u = 0; u < words[count / WORD]!; u++) data.set(view(at + u * width * WORD, width), words[distinct / WORD + u]! * width);
        gradients.set(tableTensor(name), { shape: [rows, width], data });
      }
      return Promise.resolve({ losses: lossesOf(), predictions, gradients });
    },

    state: () => store.state(step),
    restore(saved) {
      store.restore(saved);
      step = saved.step;
    },
    dispose: () => team.end(),
  };
}

/** Bytes of a plan's memory but for weights and optimizer. */
export function activationBytes(plan: Plan): number {
  const { arena, places, tables, denseSlots } = compile(plan);
  return arena.bytes - tables.all.reduce((sum, { rows, stride }) => sum + rows * stride * WORD, places.weightsCount * WORD + denseSlots.bytes);
}
